//! The engine: started, lost, found again.

use gantry_tests::{App, Client, World, run};
use serde_json::json;

use super::until_shown;

#[test]
fn the_app_starts_an_engine_where_none_answers() {
    let mut world = World::new(Client::Docker);
    world.cli(&["create", "--name", "kept", "busybox"]).ok();
    world.engine.kill();
    let folder = world.engine.folder().to_owned();
    let (config, pidfile) = (folder.join("daemon.json"), folder.join("gantryd.pid"));
    let settings = json!({
        "data-root": world.engine.data_root(),
        "exec-root": world.engine.exec_root(),
        "bridge": world.engine.subnet().name(),
        "cgroup-parent": world.engine.subnet().name(),
        "bip": world.engine.subnet().bip(),
        "pidfile": pidfile,
    });
    std::fs::write(&config, settings.to_string()).expect("a file");
    let app = App::open(&[
        ("GANTRY_SOCKET", &world.engine.socket().to_string_lossy()),
        ("GANTRY_CONFIG", &config.to_string_lossy()),
    ]);
    app.expect("Engine running");
    until_shown(&app, "kept", "Created");

    // It goes away, and the app says so; it comes back, and the app sees it by itself.
    let pid = std::fs::read_to_string(&pidfile).expect("its pid");
    run(std::process::Command::new("kill").args(["-9", pid.trim()])).ok();
    app.expect("The engine has stopped");
    world.engine.restart();
    app.expect("Engine running");
    until_shown(&app, "kept", "Created");
}

#[test]
fn an_engine_that_cannot_start_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("daemon.json");
    std::fs::write(&config, "{\"no-such-key\": 1}").expect("a file");
    let app = App::open(&[
        (
            "GANTRY_SOCKET",
            &folder.path().join("none.sock").to_string_lossy(),
        ),
        ("GANTRY_CONFIG", &config.to_string_lossy()),
    ]);
    app.expect("The engine ended while it started");
    app.expect("no-such-key");
    app.press("Try again");
    app.expect("no-such-key");
}
