//! Answers that go on: they begin at once, and end with the client.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use gantry_tests::{PATIENCE, until};
use serde_json::{Value, json};

use crate::{Open, create, descriptors, run, settled, start, world};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn wait(name: &str, condition: &str) -> String {
    format!(
        "POST /containers/{name}/wait?condition={condition} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The one JSON value in a chunked body.
fn value(open: &mut Open) -> Value {
    let _length = open.line();
    serde_json::from_str(&open.line()).expect("JSON")
}

#[test]
fn waits_answer_their_head_at_once_and_their_body_when_it_is_time() {
    let world = world();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", "exit 7"], "HostConfig": { "AutoRemove": true } }),
    );
    let mut stopped = Open::new(&world, &wait("box", "not-running"));
    assert_eq!(
        value(&mut stopped)["StatusCode"],
        0,
        "one that was never started doesn't run"
    );
    let mut next = Open::new(&world, &wait("box", "next-exit"));
    let mut removed = Open::new(&world, &wait("box", "removed"));
    assert!(next.is_quiet(), "it has not ended yet");
    start(&world, "box");
    assert_eq!(value(&mut next)["StatusCode"], 7);
    assert_eq!(value(&mut removed)["StatusCode"], 7);
    assert_eq!(
        world.engine.ask("GET", "/containers/box/json", "").status,
        404
    );
    assert_eq!(
        world.engine.ask("POST", "/containers/box/wait", "").status,
        404
    );
}

#[test]
fn whoever_leaves_a_stream_is_let_go_of() {
    let world = world();
    run(&world, "box", "echo first; sleep 1000");
    let before = settled(&world);
    let requests = [
        get("/events"),
        get("/containers/box/logs?stdout=1&follow=1"),
        get("/containers/box/stats"),
        wait("box", "next-exit"),
    ];
    let clients: Vec<Open> = requests
        .iter()
        .map(|request| Open::new(&world, request))
        .collect();
    assert!(descriptors(&world) >= before + clients.len());
    drop(clients);
    until(
        "the engine to let go of those who left",
        || match descriptors(&world) {
            now if now <= before => Ok(()),
            now => Err((before, now)),
        },
    );
}

/// A registry that drips its manifest for ever. What it gets as a request, it hands on with the connection.
fn dripping_registry() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let (sender, connections) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                let (asked, end) = (line.contains("/manifests/"), line == "\r\n");
                line.clear();
                if asked {
                    // The test may have its answer already.
                    let _ = sender.send(stream.try_clone().expect("a descriptor"));
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                    while (&stream).write_all(b" ").is_ok() {
                        std::thread::sleep(Duration::from_millis(500));
                    }
                    return;
                }
                if end {
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
                }
            }
        }
    });
    (host, connections)
}

#[test]
fn a_pull_that_nobody_waits_for_ends_before_its_first_word() {
    let world = world();
    let (host, connections) = dripping_registry();
    let request = format!(
        "POST /images/create?fromImage={host}/x&tag=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    );
    let mut client = UnixStream::connect(world.engine.socket()).expect("the engine's socket");
    client.write_all(request.as_bytes()).expect("a request");
    let mut asked = connections
        .recv_timeout(PATIENCE)
        .expect("the engine asks the registry");
    drop(client);
    // A slow registry is waited for two minutes, which is beyond this deadline.
    asked.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let mut rest = Vec::new();
    let ended = asked.read_to_end(&mut rest);
    assert!(
        ended
            .as_ref()
            .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true),
        "the engine still pulls: {ended:?}\n{}",
        world.engine.log()
    );
}

#[test]
fn the_past_is_told_to_who_names_its_end_only() {
    let world = world();
    create(&world, "box", &json!({ "Image": "busybox" }));
    let filter = "%7B%22type%22%3A%5B%22container%22%5D%7D";
    let past = world
        .engine
        .ask("GET", &format!("/events?until=0s&filters={filter}"), "");
    assert_eq!(past.json()["Action"], "create", "{}", past.text());
}

#[test]
fn figures_have_those_before_them() {
    let world = world();
    run(&world, "box", "while :; do :; done");
    let mut stream = Open::new(&world, &get("/containers/box/stats?stream=1"));
    let first = value(&mut stream);
    let _end_of_chunk = stream.line();
    let second = value(&mut stream);
    assert_eq!(second["preread"], first["read"], "{second}");
    assert_eq!(
        second["precpu_stats"]["cpu_usage"],
        first["cpu_stats"]["cpu_usage"]
    );
    let total = |value: &Value| {
        value["cpu_stats"]["cpu_usage"]["total_usage"]
            .as_u64()
            .unwrap()
    };
    assert!(total(&second) > total(&first), "{first} {second}");
    let once = world
        .engine
        .ask("GET", "/containers/box/stats?stream=0&one-shot=1", "")
        .json();
    assert_eq!(once["name"], "/box");
}

#[test]
fn events_tell_a_life_in_order() {
    let world = world();
    let mut events = Open::new(
        &world,
        &get("/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D"),
    );
    let id = run(&world, "box", "exit 3");
    world.engine.ask("POST", "/containers/box/wait", "");
    assert_eq!(
        world.engine.ask("DELETE", "/containers/box", "").status,
        204
    );
    for action in ["create", "start", "die", "destroy"] {
        let event = value(&mut events);
        let _end_of_chunk = events.line();
        assert_eq!(event["Action"], action, "{event}");
        assert_eq!(event["Actor"]["ID"], id.as_str(), "{event}");
        assert_eq!(event["Actor"]["Attributes"]["name"], "box", "{event}");
        if action == "die" {
            assert_eq!(event["Actor"]["Attributes"]["exitCode"], "3", "{event}");
        }
    }
}

#[test]
fn a_restart_is_no_end_for_one_that_goes_by_itself() {
    let world = world();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": { "AutoRemove": true } }),
    );
    start(&world, "box");
    let pid = world.inspect("box")["State"]["Pid"].clone();
    let answer = world.engine.ask("POST", "/containers/box/restart?t=0", "");
    assert_eq!(answer.status, 204, "{}", answer.text());
    let state = world.inspect("box")["State"].clone();
    assert_eq!(state["Status"], "running", "{state}");
    assert_ne!(state["Pid"], pid, "{state}");
    let mut removed = Open::new(&world, &wait("box", "removed"));
    assert_eq!(
        world
            .engine
            .ask("POST", "/containers/box/stop?t=0", "")
            .status,
        204
    );
    assert_eq!(value(&mut removed)["StatusCode"], 137);
}

#[test]
fn a_prune_is_told_of_with_what_it_gave_back() {
    let world = world();
    let body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", "head -c 100000 /dev/zero > /x"] });
    create(&world, "box", &body);
    start(&world, "box");
    world.engine.ask("POST", "/containers/box/wait", "");
    for kind in ["containers", "images", "volumes", "networks"] {
        let answer = world.engine.ask("POST", &format!("/{kind}/prune"), "");
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
    }
    let filter = "%7B%22event%22%3A%5B%22prune%22%5D%7D";
    let events = format!("/events?since=1&until=0s&filters={filter}");
    let told: Vec<_> = world
        .engine
        .ask("GET", &events, "")
        .text()
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("an event");
            let bytes = event["Actor"]["Attributes"]["reclaimed"].as_str();
            let bytes: u64 = bytes.and_then(|text| text.parse().ok()).expect("bytes");
            let kind = event["Type"].as_str().expect("a kind").to_owned();
            (kind, bytes >= 100_000)
        })
        .collect();
    let kinds = ["container", "image", "volume", "network"];
    let expected: Vec<_> = kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), *kind == "container"))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn maps_are_in_the_order_of_their_keys() {
    let world = world();
    let labels: std::collections::HashMap<String, String> = (0..20)
        .map(|n| (format!("key{n:02}"), String::new()))
        .collect();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Labels": labels }),
    );
    let text = world.engine.ask("GET", "/containers/box/json", "").text();
    let places: Vec<_> = (0..20)
        .map(|n| text.find(&format!("\"key{n:02}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
}
