//! gantryd itself: its roots, its socket, its start and its end.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gantry_tests::{Client, World, programs};

use crate::{run, world};

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
