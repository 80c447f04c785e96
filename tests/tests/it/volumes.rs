//! Volumes, bind mounts and tmpfs.

use std::fs;

use gantry_tests::{Client, World};

both!(
    volumes_outlive_containers,
    anonymous_volumes_go_with_theirs,
    folders_of_the_host
);

fn volumes_outlive_containers(client: Client) {
    let world = World::new(client);
    assert_eq!(world.cli(&["volume", "create", "data"]).ok(), "data");
    world
        .once(
            &["-v", "data:/data"],
            &["sh", "-c", "echo kept > /data/file"],
        )
        .ok();
    assert_eq!(
        world
            .once(&["-v", "data:/other"], &["cat", "/other/file"])
            .ok(),
        "kept"
    );
    // Made by being named; filled from the image's folder.
    world
        .to_its_end("box", &["-v", "filled:/etc"], &["true"])
        .ok();
    assert!(
        world
            .once(&["-v", "filled:/x"], &["cat", "/x/passwd"])
            .ok()
            .contains("user")
    );
    let names = world.cli(&["volume", "ls", "-q"]).ok();
    assert_eq!(names, "data\nfilled");
    let table = world.cli(&["volume", "ls"]).ok();
    assert!(
        table.contains("DRIVER") && table.contains("VOLUME NAME") && table.contains("local"),
        "{table}"
    );
    let error = world.cli(&["volume", "rm", "filled"]).fails(1);
    assert!(error.contains("volume is in use"), "{error}");
    world.cli(&["rm", "box"]).ok();
    world.cli(&["volume", "rm", "filled", "data"]).ok();
    assert_eq!(world.cli(&["volume", "ls", "-q"]).ok(), "");
    let error = world.cli(&["volume", "inspect", "data"]).fails(1);
    assert!(error.to_lowercase().contains("no such volume"), "{error}");
}

fn anonymous_volumes_go_with_theirs(client: Client) {
    let world = World::new(client);
    world.once(&["-v", "/data"], &["touch", "/data/x"]).ok();
    gantry_tests::until("its volume should be gone", || {
        let left = world.cli(&["volume", "ls", "-q"]).ok();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    world.to_its_end("box", &["-v", "/data"], &["true"]).ok();
    assert_eq!(world.cli(&["volume", "ls", "-q"]).ok().len(), 64);
    world.cli(&["rm", "-v", "box"]).ok();
    assert_eq!(world.cli(&["volume", "ls", "-q"]).ok(), "");
}

fn folders_of_the_host(client: Client) {
    let world = World::new(client);
    let folder = world.engine.folder().join("shared");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "from the host").unwrap();
    let bind = format!("{}:/shared", folder.display());
    let words = [
        "run",
        "--rm",
        "-v",
        &bind,
        "busybox",
        "sh",
        "-c",
        "cat /shared/file; echo back > /shared/new",
    ];
    assert_eq!(world.cli(&words).ok(), "from the host");
    assert_eq!(fs::read_to_string(folder.join("new")).unwrap(), "back\n");
    let said = world.once(&["-v", &format!("{bind}:ro")], &["touch", "/shared/no"]);
    assert!(said.stderr.contains("Read-only file system"), "{said:?}");
    let mount = format!("type=bind,source={}/missing,target=/x", folder.display());
    let error = world.once(&["--mount", &mount], &["true"]).fails(125);
    assert!(error.contains("bind source path does not exist"), "{error}");
    let words = [
        "run",
        "--rm",
        "--tmpfs",
        "/scratch:size=1m",
        "busybox",
        "sh",
        "-c",
        "df -k /scratch | tail -1",
    ];
    assert!(world.cli(&words).ok().contains("1024"));
}
