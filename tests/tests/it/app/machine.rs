//! The machine's page, and where the engine runs.

use std::path::Path;

use gantry_tests::{App, FakeHost, until};
use serde_json::{Value, json};

/// The app beside an engine that isn't there, with machines in `home`.
fn app(home: &Path) -> App {
    let app = App::open(&[
        ("DOCKER_HOST", "unix:///run/nowhere/docker.sock"),
        ("GANTRY_MACHINE_HOME", &home.to_string_lossy()),
    ]);
    app.go("#/machine");
    app
}

fn described(home: &Path) -> Value {
    let file = home.join("machines/default/machine.json");
    let text = std::fs::read(&file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn limit(app: &App, field: &str, value: &str) {
    app.script(
        "const input = document.querySelector(arguments[0]); input.value = arguments[1];
         input.dispatchEvent(new Event('input', { bubbles: true }));",
        &json!([format!("[data-testid=limit-{field}]"), value]),
    );
}

#[test]
fn limits_are_checked_and_kept_before_the_first_start() {
    let home = tempfile::tempdir().expect("a folder");
    let app = app(home.path());
    app.expect("Not made yet");
    app.find("[data-testid=limit-memory]");
    limit(&app, "memory", "0.1");
    app.expect("At least 0.25 GiB");
    limit(&app, "memory", "1.5");
    limit(&app, "cpus", "1");
    limit(&app, "disk", "8");
    app.press("Apply");
    app.expect("The new limits count");
    app.expect("Stopped");
    let kept = described(home.path());
    assert_eq!(
        (&kept["cpus"], &kept["memory"], &kept["disk"]),
        (
            &json!(1),
            &json!(1_610_612_736_u64),
            &json!(8_589_934_592_u64)
        )
    );
    // A disk only grows.
    limit(&app, "disk", "4");
    app.expect("can’t become smaller than 8 GiB");
}

#[test]
fn what_the_host_process_says_is_shown_as_it_comes() {
    let home = tempfile::tempdir().expect("a folder");
    let app = app(home.path());
    limit_once(&app);
    let host = FakeHost::start(home.path(), "default");
    host.use_figures(json!({
        "host_memory": 700_000_000, "memory_now": null, "disk_used": 1_200_000_000_u64,
        "disk_size": 8_589_934_592_u64, "api_connections": 0, "ports": [],
        "guest": {"memory_total": 1_500_000_000, "memory_available": 1_000_000_000, "load": [0.25, 0.5, 1.0],
            "disk_total": 8_000_000_000_u64, "disk_available": 7_000_000_000_u64},
    }));
    host.say("default", &json!({"state": "starting", "stage": "kernel"}));
    app.find("[data-testid=stage-vm].done");
    app.find("[data-testid=stage-kernel].now");
    host.say("default", &json!({"state": "running"}));
    app.expect("Running");
    app.expect("477 MiB");
    app.expect("1.12 GiB of this computer’s disk now");
    std::fs::write(
        home.path().join("machines/default/console.log"),
        "gantry: engine listening\n",
    )
    .expect("the console");
    app.expect("gantry: engine listening");
    app.press("Stop");
    until("it should be asked to stop", || {
        let asked = host
            .calls()
            .contains(&json!({"call": "stop", "force": false}));
        asked.then_some(()).ok_or_else(|| host.calls())
    });
    host.end();
    app.expect("Stopped");
}

/// Makes the machine, so that its folder is there.
fn limit_once(app: &App) {
    app.find("[data-testid=limit-cpus]");
    limit(app, "disk", "8");
    app.press("Apply");
    app.expect("Stopped");
}

#[test]
fn the_choice_of_where_the_engine_runs_is_kept_and_a_start_that_fails_is_told() {
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("daemon.json");
    std::fs::write(&config, "{\"no-such-key\": 1}").expect("a file");
    let folder = home.path().to_string_lossy().into_owned();
    let environment = [
        ("GANTRY_MACHINE_HOME", folder.as_str()),
        ("XDG_CONFIG_HOME", folder.as_str()),
        // Neither engine starts here: not the native one, not the machine's.
        ("GANTRY_CONFIG", &config.to_string_lossy()),
        ("GANTRY_VM_IMAGE", "/nowhere"),
    ];
    let app = App::open(&environment);
    app.click("button[aria-label='Preferences']");
    app.click("[data-testid=engine-machine]");
    app.expect("The machine did not start");
    app.expect("Checking the guest image");
    app.expect("/nowhere");
    app.press("Look at the machine");
    app.expect("Failed");
    drop(app);
    let kept = std::fs::read_to_string(home.path().join("gantry/desktop.json"));
    assert!(
        kept.as_ref().is_ok_and(|kept| kept.contains("machine")),
        "{kept:?}"
    );
    let app = App::open(&environment);
    app.expect("The machine did not start");
    app.click("button[aria-label='Preferences']");
    app.find("[data-testid=engine-machine][aria-checked=true]");
}
