//! How containers end, are told of, and are started again.

use std::net::TcpListener;

use gantry_tests::{World, free_port, until, until_true};
use serde_json::{Value, json};

use crate::{Open, create, run, start, world};

/// Reads events up to `last`: `container die 0`, `network disconnect`, …
fn told(events: &mut Open, last: &str) -> Vec<String> {
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &String| event != last) {
        let _length = events.line();
        let event: Value = serde_json::from_str(&events.line()).expect("an event");
        let _end = events.line();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attributes = &event["Actor"]["Attributes"];
        let more = ["signal", "exitCode", "destination"]
            .iter()
            .filter_map(|name| attributes[name].as_str());
        let words: Vec<String> = [word(&event["Type"]), word(&event["Action"])]
            .into_iter()
            .chain(more.map(str::to_owned))
            .collect();
        told.push(words.join(" "));
    }
    told
}

fn events(world: &World) -> Open {
    Open::new(world, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn a_life_with_a_volume_and_a_network_is_told_in_dockerd_s_order() {
    let world = world();
    let mut events = events(&world);
    create(
        &world,
        "box",
        &json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"],
            "HostConfig": { "Binds": ["data:/data"] },
        }),
    );
    start(&world, "box");
    assert_eq!(
        told(&mut events, "container start"),
        [
            "volume create",
            "container create",
            "network connect",
            "volume mount /data",
            "container start"
        ]
    );
    world.engine.ask("POST", "/containers/box/stop", "");
    assert_eq!(
        told(&mut events, "container stop"),
        [
            "container kill 15",
            "network disconnect",
            "volume unmount",
            "container die 7",
            "container stop"
        ]
    );
    start(&world, "box");
    told(&mut events, "container start");
    world.engine.ask("POST", "/containers/box/pause", "");
    world.engine.ask("DELETE", "/containers/box?force=1", "");
    assert_eq!(
        told(&mut events, "container destroy"),
        [
            "container pause",
            "container kill 9",
            "container unpause",
            "network disconnect",
            "volume unmount",
            "container die 137",
            "container destroy"
        ]
    );
}

#[test]
fn whoever_hears_of_a_container_can_look_it_up() {
    let world = world();
    for _ in 0..5 {
        let mut events = events(&world);
        std::thread::scope(|scope| {
            let create = scope.spawn(|| {
                create(
                    &world,
                    "box",
                    &json!({ "Image": "busybox", "Cmd": ["true"] }),
                )
            });
            told(&mut events, "container create");
            assert_eq!(
                world.engine.ask("GET", "/containers/box/json", "").status,
                200
            );
            create.join().unwrap();
        });
        world.engine.ask("DELETE", "/containers/box", "");
    }
}

#[test]
fn a_taken_port_is_told_as_dockerd_tells_it() {
    let world = world();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let id = create(
        &world,
        "box",
        &json!({
            "Image": "busybox",
            "Cmd": ["true"],
            "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }] } },
        }),
    );
    let answer = world.engine.ask("POST", "/containers/box/start", "");
    assert_eq!(answer.status, 500);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    let words = format!(
        "driver failed programming external connectivity on endpoint box ({id}): Bind for 127.0.0.1:{port} failed: port is already allocated"
    );
    assert_eq!(message, words);
    assert_eq!(world.inspect("box")["State"]["Error"], words.as_str());
}

#[test]
fn a_policy_tries_again_at_the_engine_s_start_what_failed_to_start() {
    let mut world = world();
    let port = free_port();
    let body = |policy: &str| {
        json!({
            "Image": "busybox",
            "Cmd": ["sleep", "1000"],
            "HostConfig": {
                "RestartPolicy": { "Name": policy },
                "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }] },
            },
        })
    };
    create(&world, "box", &body("unless-stopped"));
    start(&world, "box");
    let pid = world.inspect("box")["State"]["Pid"].as_i64().unwrap();
    world.engine.kill();
    let end = || {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
    };
    end().unwrap();
    // The machine comes up again, and something else has the port.
    let taken = until("the port to be free", || {
        TcpListener::bind(("127.0.0.1", port))
    });
    world.engine.restart();
    world.until_status("box", "exited");
    drop(taken);
    world.engine.stop();
    world.engine.restart();
    world.until_status("box", "running");
    assert_eq!(world.inspect("box")["RestartCount"], 0);

    // What a person stopped stays so.
    world.engine.ask("POST", "/containers/box/stop?t=0", "");
    world.engine.stop();
    world.engine.restart();
    assert_eq!(world.status("box"), "exited");
}

#[test]
fn a_container_in_another_s_network_knows_its_names() {
    let world = world();
    run(&world, "one", "sleep 1000");
    let other = json!({
        "Image": "busybox",
        "Cmd": ["cat", "/etc/hosts"],
        "HostConfig": { "NetworkMode": "container:one" },
    });
    create(&world, "two", &other);
    start(&world, "two");
    world.engine.ask("POST", "/containers/two/wait", "");
    let hosts = world.cli(&["logs", "two"]).ok();
    assert_eq!(hosts, world.cli(&["exec", "one", "cat", "/etc/hosts"]).ok());
    let ip = world.inspect("one")["NetworkSettings"]["IPAddress"].clone();
    assert!(hosts.contains(ip.as_str().unwrap()), "{hosts}");
}

#[test]
fn a_paused_container_takes_no_exec() {
    let world = world();
    let id = run(&world, "box", "sleep 1000");
    world.engine.ask("POST", "/containers/box/pause", "");
    let answer = world
        .engine
        .ask("POST", "/containers/box/exec", r#"{"Cmd":["true"]}"#);
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.json()["message"],
        format!("Container {id} is paused, unpause the container before exec")
    );
    world.engine.ask("POST", "/containers/box/unpause", "");
}

#[test]
fn the_engine_ends_when_asked_though_clients_hang_on() {
    let mut world = world();
    run(&world, "box", "echo first; sleep 1000");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let exec = r#"{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}"#;
    let exec = world
        .engine
        .ask("POST", "/containers/box/exec", exec)
        .json();
    let exec = format!("/exec/{}/start", exec["Id"].as_str().unwrap());
    let clients = [
        events(&world),
        Open::new(&world, &get("/containers/box/logs?stdout=1&follow=1")),
        Open::new(&world, &get("/containers/box/stats")),
        Open::upgraded(&world, "/containers/box/attach?stream=1&stdout=1", ""),
        Open::upgraded(&world, &exec, "{}"),
    ];
    // Fails, with its log, where it doesn't.
    world.engine.stop();
    drop(clients);
    world.engine.restart();
    assert_eq!(world.status("box"), "running");
    world.engine.ask("POST", "/containers/box/kill", "");
    until_true("its end", || world.status("box") == "exited");
}
