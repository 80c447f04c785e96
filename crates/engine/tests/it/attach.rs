//! Connections that are taken over.

use gantry_tests::{until, until_true};
use serde_json::json;

use crate::{Open, create, descriptors, frames, run, settled, start, world};

const ALL: &str = "stream=1&stdin=1&stdout=1&stderr=1";

#[test]
fn attached_before_the_start_sees_every_byte_and_its_input_can_end_first() {
    let world = world();
    let script = "echo early; cat; echo late >&2";
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "OpenStdin": true, "StdinOnce": true }),
    );
    let mut attached = Open::upgraded(&world, &format!("/containers/box/attach?{ALL}"), "");
    start(&world, "box");
    attached.write(b"given\n");
    attached.end_input();
    assert_eq!(
        frames(&attached.rest()),
        ("early\ngiven\n".to_owned(), "late\n".to_owned())
    );
}

#[test]
fn without_an_upgrade_the_output_is_a_body() {
    let world = world();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["echo", "hi"] }),
    );
    let mut attached = Open::new(
        &world,
        "POST /containers/box/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(
        attached.head.starts_with("HTTP/1.1 200 "),
        "{}",
        attached.head
    );
    start(&world, "box");
    let body = attached.rest();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("\u{1}\0\0\0\0\0\0\u{3}hi\n"), "{text:?}");
}

#[test]
fn without_an_upgrade_the_request_s_body_is_the_input() {
    let world = world();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", "cat; echo end"], "OpenStdin": true, "StdinOnce": true }),
    );
    let mut attached = Open::new(
        &world,
        &format!(
            "POST /containers/box/attach?{ALL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
    );
    start(&world, "box");
    attached.write(b"6\r\nfirst\n\r\n");
    let mut line = String::new();
    while !line.contains("first\n") {
        line = attached.line();
    }
    attached.write(b"7\r\nsecond\n\r\n0\r\n\r\n");
    let rest = attached.rest();
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.contains("second\n") && rest.contains("end\n"),
        "{rest:?}"
    );
}

#[test]
fn whoever_leaves_is_noticed_though_nothing_is_written() {
    let world = world();
    create(
        &world,
        "later",
        &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "OpenStdin": true }),
    );
    run(&world, "box", "sleep 1000");
    let before = settled(&world);
    let paths = [
        format!("/containers/box/attach?{ALL}"),
        format!("/containers/later/attach?{ALL}"),
    ];
    let clients: Vec<Open> = paths
        .iter()
        .map(|path| Open::upgraded(&world, path, ""))
        .collect();
    assert!(descriptors(&world) > before);
    // Ending the input isn't leaving.
    clients.iter().for_each(Open::end_input);
    for mut client in clients {
        assert!(
            client.is_quiet(),
            "a client whose input ended is still attached"
        );
    }
    until(
        "the engine to let go of those who left",
        || match descriptors(&world) {
            now if now <= before => Ok(()),
            now => Err((before, now)),
        },
    );
}

#[test]
fn the_engine_rests_while_a_client_waits_with_its_input_ended() {
    let world = world();
    run(&world, "box", "sleep 1000");
    let client = Open::upgraded(&world, &format!("/containers/box/attach?{ALL}"), "");
    client.end_input();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", world.engine.pid())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // Whatever it was busy with ends; one that spins never has such a second.
    until_true("a second in which the engine does next to nothing", || {
        let before = ticks();
        std::thread::sleep(std::time::Duration::from_secs(1));
        ticks() - before < 30
    });
}

#[test]
fn the_keys_to_leave_leave_the_process_to_itself() {
    let world = world();
    create(
        &world,
        "box",
        &json!({ "Image": "busybox", "Cmd": ["cat"], "OpenStdin": true, "Tty": true }),
    );
    start(&world, "box");
    let mut attached = Open::upgraded(
        &world,
        &format!("/containers/box/attach?{ALL}&detachKeys=ctrl-a,x"),
        "",
    );
    attached.write(b"word\n\x01x");
    let seen = attached.rest();
    assert!(
        !String::from_utf8_lossy(&seen).contains("\u{1}x"),
        "{seen:?}"
    );
    assert_eq!(world.status("box"), "running");
}

#[test]
fn an_exec_s_code_is_known_when_its_stream_ends() {
    let world = world();
    run(&world, "box", "sleep 1000");
    for code in [0, 3, 130] {
        let body = json!({ "Cmd": ["sh", "-c", format!("echo out; exit {code}")], "AttachStdout": true, "AttachStderr": true });
        let made = world
            .engine
            .ask("POST", "/containers/box/exec", &body.to_string());
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["Id"].as_str().unwrap().to_owned();
        let mut stream = Open::upgraded(&world, &format!("/exec/{id}/start"), "{}");
        assert_eq!(frames(&stream.rest()).0, "out\n");
        let seen = world
            .engine
            .ask("GET", &format!("/exec/{id}/json"), "")
            .json();
        assert_eq!(seen["ExitCode"], code, "{seen}");
        assert_eq!(seen["Running"], false, "{seen}");
        let again = world.engine.ask("POST", &format!("/exec/{id}/start"), "{}");
        assert_eq!(again.status, 409, "{}", again.text());
    }
}

#[test]
fn no_descriptor_of_the_host_s_gets_in_and_no_signal_is_held_back() {
    let world = world();
    let said = |name: &str, words: &[&str]| {
        create(&world, name, &json!({ "Image": "busybox", "Cmd": words }));
        let path = format!("/containers/{name}/attach?stream=1&stdout=1");
        let mut attached = Open::upgraded(&world, &path, "");
        start(&world, name);
        frames(&attached.rest()).0
    };
    // 3 is the folder that ls reads.
    assert_eq!(said("one", &["ls", "/proc/self/fd"]), "0\n1\n2\n3\n");
    let seen = said("two", &["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"]);
    assert_eq!(
        seen,
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    );
}
