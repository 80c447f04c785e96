//! `cp`.

use std::fs;

use gantry_tests::{Client, World};

both!(
    files_go_in_and_out,
    folders_go_in_and_out,
    links_lead_nowhere_else
);

fn files_go_in_and_out(client: Client) {
    let world = World::new(client);
    let local = world.engine.folder().join("local");
    fs::create_dir(&local).unwrap();
    fs::write(local.join("in"), "from outside").unwrap();
    let path = |name: &str| local.join(name).display().to_string();
    world
        .cli(&[
            "create",
            "--name",
            "box",
            "busybox",
            "sh",
            "-c",
            "cat /tmp/in; echo from inside > /tmp/out",
        ])
        .ok();
    // Before it has ever run, while it has stopped: the same.
    world.cli(&["cp", &path("in"), "box:/tmp/in"]).ok();
    assert_eq!(world.cli(&["start", "-a", "box"]).ok(), "from outside");
    world.cli(&["cp", "box:/tmp/out", &path("out")]).ok();
    assert_eq!(
        fs::read_to_string(local.join("out")).unwrap(),
        "from inside\n"
    );
    let error = world.cli(&["cp", "box:/tmp/nothing", &path("x")]).fails(1);
    // As the clients of before Docker 23 say it, and those since.
    assert!(
        error.contains("No such container:path: box:/tmp/nothing")
            || error.contains("Could not find the file /tmp/nothing in container box"),
        "{error}"
    );
    let error = world.cli(&["cp", &path("in"), "nobody:/tmp"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such container") && error.contains("nobody"),
        "{error}"
    );
    let said = world.cli(&["cp", "box:/tmp/out", "-"]);
    assert!(
        said.stdout.contains("ustar") && said.stdout.contains("from inside"),
        "{said:?}"
    );
}

fn folders_go_in_and_out(client: Client) {
    let world = World::new(client);
    let local = world.engine.folder().join("local");
    fs::create_dir_all(local.join("tree/deep")).unwrap();
    fs::write(local.join("tree/deep/file"), "deep").unwrap();
    world.background("box", &["-v", "/data"], &["sleep", "1000"]);
    let path = |name: &str| local.join(name).display().to_string();
    // To a new name, into a folder, into a volume.
    world.cli(&["cp", &path("tree"), "box:/tmp/new"]).ok();
    assert_eq!(
        world
            .cli(&["exec", "box", "cat", "/tmp/new/deep/file"])
            .ok(),
        "deep"
    );
    world.cli(&["cp", &path("tree"), "box:/data"]).ok();
    assert_eq!(
        world
            .cli(&["exec", "box", "cat", "/data/tree/deep/file"])
            .ok(),
        "deep"
    );
    world.cli(&["cp", "box:/data/tree", &path("back")]).ok();
    assert_eq!(
        fs::read_to_string(local.join("back/deep/file")).unwrap(),
        "deep"
    );
}

fn links_lead_nowhere_else(client: Client) {
    let world = World::new(client);
    let local = world.engine.folder().join("local");
    let secret = world.engine.folder().join("secret");
    fs::create_dir(&local).unwrap();
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "host's secret").unwrap();
    fs::write(local.join("file"), "from the client").unwrap();
    let host = secret.display();
    let script = format!(
        "ln -s {host} /tmp/out; ln -s ../../../../../..{host} /tmp/up; ln -s {host}/key /tmp/key; sleep 1000"
    );
    world.background("box", &[], &["sh", "-c", &script]);
    gantry_tests::until("the links should be there", || {
        let said = world.cli(&["exec", "box", "ls", "/tmp"]);
        if said.stdout.contains("key") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let file = local.join("file").display().to_string();
    for target in ["box:/tmp/out/new", "box:/tmp/up/new", "box:/tmp/key"] {
        let _ = world.cli(&["cp", &file, target]);
    }
    for source in ["box:/tmp/out/key", "box:/tmp/up/key", "box:/tmp/key"] {
        let said = world.cli(&["cp", "-L", source, "-"]);
        assert!(!said.stdout.contains("host's secret"), "{source}: {said:?}");
    }
    let left: Vec<_> = fs::read_dir(&secret)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["key"]);
    assert_eq!(
        fs::read_to_string(secret.join("key")).unwrap(),
        "host's secret"
    );
}
