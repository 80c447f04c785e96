//! gantryd itself: its roots, its socket, its start and its end.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use gantry_tests::{Client, World, programs, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{create, frames, run, start, world};

fn gantryd(args: &[&str]) -> (bool, String) {
    let output = Command::new(programs().join("gantryd"))
        .args(args)
        .output()
        .expect("gantryd runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn two_engines_never_share_a_root() {
    let world = World::with_flags(Client::Docker, &[]);
    let (data, run) = (world.engine.data_root(), world.engine.exec_root());
    let other = tempfile::tempdir().unwrap();
    let (other_data, other_run) = (other.path().join("data"), other.path().join("run"));
    let host = format!("unix://{}", other.path().join("s.sock").display());
    for (data, run) in [(&data, &other_run), (&other_data, &run)] {
        let (data, run) = (data.display().to_string(), run.display().to_string());
        let (ok, said) = gantryd(&["--data-root", &data, "--exec-root", &run, "-H", &host]);
        assert!(!ok, "{said}");
        assert!(
            said.contains(&format!("another gantryd (process {})", world.engine.pid())),
            "{said}"
        );
    }
    assert_eq!(
        world.engine.ask("GET", "/_ping", "").status,
        200,
        "the first is unharmed"
    );
}

#[test]
fn roots_and_socket_are_closed_to_others() {
    let world = World::with_flags(Client::Docker, &[]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.engine.data_root()), 0o710);
    assert_eq!(mode(&world.engine.exec_root()), 0o711);
    assert_eq!(mode(&world.engine.socket()), 0o660);
}

/// gantryd on a world's roots, started by a shell that says something first.
struct ByHand(Child);

impl ByHand {
    fn start(world: &mut World, first: &str) -> ByHand {
        world.engine.stop();
        let mut command = Command::new("sh");
        let gantryd = programs().join("gantryd");
        command
            .args(["-c", &format!("{first}; exec \"$0\" \"$@\"")])
            .arg(gantryd)
            .args(world.engine.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        ByHand(command.spawn().expect("a shell"))
    }

    fn answering(world: &mut World, first: &str) -> ByHand {
        let engine = ByHand::start(world, first);
        until("the engine to answer", || {
            let answer = world.engine.try_ask("GET", "/_ping", &[], &[]);
            answer.map_err(|error| error.to_string())
        });
        engine
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a living engine");
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_starts_it_containers_are_the_same() {
    let mut world = world();
    let source = tempfile::tempdir().unwrap();
    let made = source.path().join("made");
    let engine = ByHand::answering(&mut world, "umask 077; ulimit -Sn 300; ulimit -Hn 10000");
    let ports: serde_json::Map<String, Value> = (1..=250)
        .map(|port| (format!("{port}/tcp"), json!([{ "HostIp": "127.0.0.1" }])))
        .collect();
    let script = "cat /etc/hosts /etc/resolv.conf /etc/hostname >/dev/null && ls /made && umask && ulimit -Sn && sleep 1000";
    let body = json!({
        "Image": "busybox",
        "User": "1000:1000",
        "Cmd": ["sh", "-c", script],
        "HostConfig": { "PortBindings": ports, "Binds": [format!("{}:/made", made.display())] },
    });
    create(&world, "box", &body);
    start(&world, "box");
    let said = until("the container to have said all", || {
        let log = world
            .engine
            .ask("GET", "/containers/box/logs?stdout=1&stderr=1", "");
        let (out, err) = frames(&log.body);
        if out.lines().count() == 2 && err.is_empty() {
            Ok(out)
        } else {
            Err((out, err))
        }
    });
    assert_eq!(said, "0022\n300\n");
    drop(engine);
    world.engine.restart();
}

#[test]
fn a_socket_that_is_taken_is_found_out_before_anything_is_touched() {
    let world = World::with_flags(Client::Docker, &[]);
    let other = tempfile::tempdir().unwrap();
    let place = |name: &str| other.path().join(name).display().to_string();
    let host = format!("unix://{}", world.engine.socket().display());
    let (data, run) = (place("data"), place("run"));
    let (ok, said) = gantryd(&["--data-root", &data, "--exec-root", &run, "-H", &host]);
    assert!(!ok && said.contains("another engine listens"), "{said}");
    assert!(!other.path().join("data/gantry.db").exists());
    assert_eq!(world.engine.ask("GET", "/_ping", "").status, 200);
}

#[test]
fn it_ends_when_told_to_while_it_still_starts() {
    let mut world = world();
    run(&world, "box", "sleep 1000");
    let shim = parent(&world.inspect("box")["State"]["Pid"]);
    kill_process(shim, Signal::STOP).unwrap();
    let mut engine = ByHand::start(&mut world, "true");
    // Somebody calls, and waits; that it hangs up by itself must not be so.
    let caller = until("the socket", || UnixStream::connect(world.engine.socket()));
    engine.signal(Signal::HUP);
    engine.signal(Signal::TERM);
    let ended = until("the engine to end", || {
        engine.0.try_wait().unwrap().ok_or("it lives")
    });
    kill_process(shim, Signal::CONT).unwrap();
    assert!(ended.success(), "{ended}");
    drop((caller, engine));
    world.engine.restart();
    assert_eq!(world.inspect("box")["State"]["Running"], true);
}

/// The process that a process is a child of.
fn parent(pid: &Value) -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let parent = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t")?.parse().ok());
    parent.and_then(Pid::from_raw).expect("a parent")
}

#[test]
fn a_signal_to_read_the_configuration_again_is_no_end() {
    let mut world = world();
    let engine = ByHand::answering(&mut world, "true");
    engine.signal(Signal::HUP);
    assert_eq!(world.engine.ask("GET", "/_ping", "").status, 200);
    drop(engine);
    world.engine.restart();
}

#[test]
fn every_refusal_is_a_sentence() {
    let world = World::with_flags(Client::Docker, &[]);
    let says = |method: &str, path: &str, body: &str, status: u16, words: &str| {
        let answer = world.engine.ask(method, path, body);
        let message = answer.json()["message"].clone();
        assert_eq!(answer.status, status, "{method} {path}: {message}");
        let message = message.as_str().unwrap_or_default();
        assert!(message.contains(words), "{method} {path}: {message}");
    };
    for path in [
        "/swarm",
        "/v1.47/nodes",
        "/services",
        "/tasks/x",
        "/secrets",
        "/configs/x",
    ] {
        says("GET", path, "", 503, "swarm");
    }
    says("POST", "/swarm/init", "{}", 501, "swarm");
    says("GET", "/plugins/nobody/json", "", 404, "not found");
    says("POST", "/v1.47/session", "", 501, "building");
    says("POST", "/grpc", "", 501, "building");
    says("GET", "/plugins/privileges?remote=x", "", 501, "plugins");
    says("GET", "/containers/x/attach/ws", "", 501, "WebSocket");
    says(
        "POST",
        "/containers/x/checkpoints",
        "{}",
        501,
        "checkpoints",
    );
    says("POST", "/no/such/thing", "", 404, "page not found");
    says("PUT", "/version", "", 404, "page not found");
    let long = format!(
        "{{\"Image\":\"x\",\"Env\":[\"A={}\"]}}",
        "a".repeat(5 << 20)
    );
    says(
        "POST",
        "/containers/create",
        &long,
        413,
        "length limit exceeded",
    );
}

#[test]
fn what_cannot_be_configured_is_said_in_a_line() {
    for (args, words) in [
        (["-H", "tcp://127.0.0.1:2375"], "unix://"),
        (["--default-runtime", "nosuch"], "--add-runtime"),
        (["--config-file", "/no/such/file"], "/no/such/file"),
        (["--group", "no-such-group"], "no-such-group"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join(name).display().to_string();
        let (data, run) = (place("data"), place("run"));
        let (ok, said) =
            gantryd(&[&["--data-root", &data, "--exec-root", &run], &args[..]].concat());
        assert!(!ok, "{said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn a_kind_end_leaves_containers_and_takes_the_socket_along() {
    let mut world = world();
    run(&world, "box", "sleep 1000");
    let pid = world.inspect("box")["State"]["Pid"].clone();
    world.engine.stop();
    assert!(!world.engine.socket().exists());
    assert!(
        std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the container lives on"
    );
    world.engine.restart();
    assert_eq!(world.inspect("box")["State"]["Pid"], pid);
}

#[test]
fn a_full_disk_lets_containers_be_stopped_and_removed() {
    let mut world = world();
    world.engine.stop();
    let data = world.engine.data_root();
    let disk = |words: &[&str]| {
        let done = Command::new(words[0])
            .args(&words[1..])
            .arg(&data)
            .status()
            .expect("a program");
        assert!(done.success(), "{words:?}");
    };
    disk(&["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs"]);
    world.engine.restart();
    world.load_busybox();
    for name in ["one", "two"] {
        run(&world, name, "sleep 1000");
    }
    let mut filler = std::fs::File::create(data.join("filler")).unwrap();
    let block = vec![0_u8; 4096];
    while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    for name in ["one", "two"] {
        let stopped = world
            .engine
            .ask("POST", &format!("/containers/{name}/stop?t=0"), "");
        assert_eq!(
            stopped.status,
            204,
            "{}\n{}",
            stopped.text(),
            world.engine.log()
        );
        let removed = world
            .engine
            .ask("DELETE", &format!("/containers/{name}"), "");
        assert_eq!(
            removed.status,
            204,
            "{}\n{}",
            removed.text(),
            world.engine.log()
        );
    }
    assert!(
        world.engine.log().contains("giving up what was held back"),
        "{}",
        world.engine.log()
    );
    drop(filler);
    // What is gone stays gone, and the engine starts.
    std::fs::remove_file(data.join("filler")).unwrap();
    world.engine.stop();
    world.engine.restart();
    assert_eq!(
        world.engine.ask("GET", "/containers/json?all=1", "").json(),
        serde_json::json!([])
    );
    world.engine.stop();
    disk(&["umount"]);
    world.engine.restart();
}
