//! Health checks.

use gantry_tests::until;
use serde_json::json;

use crate::{create, start, world};

#[test]
fn a_check_tells_how_a_container_is() {
    let world = world();
    let body = json!({
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "Healthcheck": {
            "Test": ["CMD-SHELL", "echo looked; test -e /well"],
            "Interval": 100_000_000_u64,
            "Retries": 2,
        },
    });
    create(&world, "box", &body);
    start(&world, "box");
    let status = |wanted: &str| {
        until(&format!("the container to be {wanted}"), || {
            let health = world.inspect("box")["State"]["Health"].clone();
            if health["Status"] == wanted {
                Ok(health)
            } else {
                Err(health)
            }
        })
    };
    let sick = status("unhealthy");
    assert_eq!(sick["Log"][0]["ExitCode"], 1, "{sick}");
    assert_eq!(sick["Log"][0]["Output"], "looked\n", "{sick}");
    let filter = "/containers/json?filters=%7B%22health%22%3A%5B%22unhealthy%22%5D%7D";
    let listed = world.engine.ask("GET", filter, "").json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert!(
        listed[0]["Status"]
            .as_str()
            .unwrap()
            .ends_with("(unhealthy)"),
        "{listed}"
    );

    let made = world.engine.ask(
        "POST",
        "/containers/box/exec",
        r#"{"Cmd":["touch","/well"]}"#,
    );
    let start = format!("/exec/{}/start", made.json()["Id"].as_str().unwrap());
    assert_eq!(
        world
            .engine
            .ask("POST", &start, r#"{"Detach":true}"#)
            .status,
        200
    );
    assert_eq!(status("healthy")["FailingStreak"], 0);
}
