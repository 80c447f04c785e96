//! `version`, `info`, `events`, `system df`.

use gantry_tests::{Client, World, until};

both!(versions, information, events_as_they_come, use_of_the_disk);

fn versions(client: Client) {
    let world = World::with_flags(client, &[]);
    let said = world.cli(&["version"]).ok();
    assert!(said.contains("Client") && said.contains("Server"), "{said}");
    let version = world
        .cli(&["version", "--format", "{{.Server.APIVersion}}"])
        .ok();
    assert!(version.starts_with("1."), "{version}");
    // A client of long ago and one of the future.
    let answer = world.engine.ask("GET", "/v1.24/version", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = world.engine.ask("GET", "/v9.99/version", "");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer.text().contains("client version 9.99 is too new"),
        "{}",
        answer.text()
    );
}

fn information(client: Client) {
    let world = World::new(client);
    world.cli(&["run", "-d", "busybox", "sleep", "1000"]).ok();
    world.cli(&["create", "busybox"]).ok();
    let format = "{{.Containers}} {{.ContainersRunning}} {{.Images}} {{.OSType}} {{.NCPU}}";
    let processors = std::thread::available_parallelism().unwrap();
    let said = world.cli(&["info", "--format", format]).ok();
    assert_eq!(said, format!("2 1 1 linux {processors}"));
    let said = world.cli(&["info"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout.contains("Storage Driver") && !said.stderr.contains("ERROR"),
        "{said:?}"
    );
}

fn events_as_they_come(client: Client) {
    let world = World::new(client);
    let format = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
    let events = world.start(&["events", "--format", format]);
    // It says nothing when it is ready: make events until one is seen.
    until("the first event", || {
        world.cli(&["volume", "create", "probe"]).ok();
        world.cli(&["volume", "rm", "probe"]).ok();
        let said = events.stdout();
        if said.contains("volume") {
            Ok(())
        } else {
            Err(said)
        }
    });
    world
        .cli(&["run", "--rm", "--name", "watched", "busybox", "true"])
        .ok();
    events.expect("container destroy watched");
    let said = events.stdout();
    let mut rest = said.as_str();
    for action in ["create", "start", "die", "destroy"] {
        let line = format!("container {action} watched\n");
        let at = rest
            .find(&line)
            .unwrap_or_else(|| panic!("{action} is missing or too early: {said}"));
        rest = &rest[at + line.len()..];
    }
    // What has been, filtered; ends by itself. Docker's whole seconds would cut off the last one.
    let soon = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 1;
    let soon = soon.to_string();
    let words = [
        "events",
        "--since",
        "10m",
        "--until",
        &soon,
        "--filter",
        "event=die",
        "--format",
        format,
    ];
    assert_eq!(world.cli(&words).ok(), "container die watched");
    let words = [
        "events",
        "--since",
        "10m",
        "--until",
        &soon,
        "--filter",
        "container=nobody",
        "--format",
        format,
    ];
    assert_eq!(world.cli(&words).ok(), "");
}

fn use_of_the_disk(client: Client) {
    let world = World::new(client);
    world
        .to_its_end(
            "box",
            &[],
            &["dd", "if=/dev/zero", "of=/tmp/x", "bs=1k", "count=2000"],
        )
        .ok();
    world.cli(&["volume", "create", "vol"]).ok();
    let said = world
        .cli(&[
            "system",
            "df",
            "--format",
            "{{.Type}}|{{.TotalCount}}|{{.Size}}",
        ])
        .ok();
    assert!(said.contains("Images|1|"), "{said}");
    assert!(said.contains("Containers|1|2.048MB"), "{said}");
    assert!(said.contains("Local Volumes|1|0B"), "{said}");
    let said = world.cli(&["system", "df", "-v"]).ok();
    assert!(said.contains("busybox"), "{said}");
    let sized = world.cli(&["ps", "-as", "--format", "{{.Size}}"]).ok();
    assert!(sized.starts_with("2.05MB (virtual "), "{sized}");
}
