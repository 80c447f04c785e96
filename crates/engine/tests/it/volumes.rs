//! Volumes, as containers come and go.

use std::path::Path;

use gantry_tests::{World, until_true};
use serde_json::{Value, json};

use crate::{Open, create, run, start, world};

fn volumes(world: &World) -> Vec<String> {
    let list = world.engine.ask("GET", "/volumes", "").json();
    let list = list["Volumes"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|volume| volume["Name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_volume_of_its_own_is_gone_before_the_container_is_said_to_be() {
    let world = world();
    create(
        &world,
        "box",
        &json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", "echo x > /data/file"],
            "Volumes": { "/data": {} },
            "HostConfig": { "AutoRemove": true },
        }),
    );
    assert_eq!(volumes(&world).len(), 1);
    let mut removed = Open::new(
        &world,
        "POST /containers/box/wait?condition=removed HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    );
    start(&world, "box");
    removed.line();
    removed.line();
    assert_eq!(volumes(&world), [""; 0]);
    let folder = world.engine.data_root().join("volumes");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_create_that_is_cut_leaves_neither_container_nor_volume() {
    let mut world = world();
    let body = json!({ "Image": "busybox", "Cmd": ["true"], "Volumes": { "/a": {}, "/b": {} } });
    // The store is busy: the create stands before its one transaction.
    let database = world.engine.data_root().join("gantry.db");
    let busy = rusqlite::Connection::open(database).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = body.to_string();
    let mut stream = std::os::unix::net::UnixStream::connect(world.engine.socket()).unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!(
            "POST /containers/create?name=box HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )
    .unwrap();
    let folder = world.engine.data_root().join("volumes");
    until_true("the volumes' folders to be made", || {
        std::fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 2)
    });
    world.engine.kill();
    drop((stream, busy));
    world.engine.restart();
    assert_eq!(
        world.engine.ask("GET", "/containers/json?all=1", "").json(),
        json!([])
    );
    assert_eq!(volumes(&world), [""; 0]);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

fn with_part(part: &str, script: &str) -> Value {
    json!({
        "Image": "busybox",
        "Cmd": ["sh", "-c", script],
        "HostConfig": { "Mounts": [{
            "Type": "volume",
            "Source": "shared",
            "Target": "/data",
            "VolumeOptions": { "Subpath": part },
        }]},
    })
}

#[test]
fn a_part_of_a_volume_is_mounted_and_never_the_host() {
    let world = world();
    run_with(
        &world,
        "filler",
        "shared:/all",
        "mkdir -p /all/part /all/etc; echo in > /all/part/file; ln -s /etc /all/out; echo theirs > /all/etc/passwd",
    );
    create(
        &world,
        "part",
        &with_part("part", "cat /data/file; echo more > /data/more"),
    );
    start(&world, "part");
    create(&world, "out", &with_part("out", "cat /data/passwd"));
    start(&world, "out");
    for (name, said) in [("part", "in"), ("out", "theirs")] {
        world
            .engine
            .ask("POST", &format!("/containers/{name}/wait"), "");
        let log = world.cli(&["logs", name]).ok();
        assert_eq!(log, said, "{name}");
    }
    let data = world.engine.data_root().join("volumes/shared/_data");
    assert!(data.join("part/more").exists());
    for name in ["part", "out", "filler"] {
        assert_eq!(
            world
                .engine
                .ask("DELETE", &format!("/containers/{name}"), "")
                .status,
            204
        );
    }
    assert!(
        data.join("part/more").exists(),
        "it went with the container"
    );
    create(&world, "none", &with_part("no/such", "true"));
    let answer = world.engine.ask("POST", "/containers/none/start", "");
    assert!(
        answer.status >= 400 && answer.text().contains("no/such"),
        "{}",
        answer.text()
    );
}

fn run_with(world: &World, name: &str, bind: &str, script: &str) {
    create(
        world,
        name,
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": { "Binds": [bind] } }),
    );
    start(world, name);
    world
        .engine
        .ask("POST", &format!("/containers/{name}/wait"), "");
}

#[test]
fn a_mounted_volume_stays_while_anybody_has_it() {
    let world = world();
    let options = json!({ "Name": "memory", "DriverOpts": { "type": "tmpfs", "device": "tmpfs" } });
    world
        .engine
        .ask("POST", "/volumes/create", &options.to_string());
    let data = world.engine.data_root().join("volumes/memory/_data");
    let is_mounted = |path: &Path| {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(&*path.to_string_lossy())
    };
    create(
        &world,
        "stays",
        &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": { "Binds": ["memory:/m"] } }),
    );
    start(&world, "stays");
    for _ in 0..3 {
        run_with(&world, "goes", "memory:/m", "true");
        world.engine.ask("DELETE", "/containers/goes?force=1", "");
        assert!(is_mounted(&data));
    }
    world.engine.ask("DELETE", "/containers/stays?force=1", "");
    assert!(!is_mounted(&data), "{}", world.engine.log());
}

#[test]
fn layers_of_an_image_deleted_by_force_go_with_its_last_container() {
    let world = world();
    run(&world, "box", "sleep 1000");
    let layers = world.engine.data_root().join("image/layers");
    let count = || std::fs::read_dir(&layers).map_or(0, |entries| entries.flatten().count());
    assert!(count() > 0);
    world.engine.ask("POST", "/containers/box/stop?t=0", "");
    let answer = world.engine.ask("DELETE", "/images/busybox?force=1", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(count() > 0, "the container still has them");
    assert_eq!(
        world.engine.ask("DELETE", "/containers/box", "").status,
        204
    );
    until_true("the layers to go", || count() == 0);
}
