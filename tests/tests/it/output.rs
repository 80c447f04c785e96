//! `logs` and `attach`.

use gantry_tests::{Client, World};

both!(
    streams_stay_apart,
    the_end_of_a_log,
    following_ends_with_the_container,
    times_can_be_asked_for,
    attaching_sees_what_comes,
    bytes_come_back_as_they_were,
    another_driver_is_refused,
);

fn streams_stay_apart(client: Client) {
    let world = World::new(client);
    world
        .to_its_end(
            "box",
            &[],
            &["sh", "-c", "echo out; echo err >&2; printf unfinished"],
        )
        .ok();
    let said = world.cli(&["logs", "box"]);
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str()),
        ("out\nunfinished", "err\n"),
        "{said:?}"
    );
    // Both lie in one file, as Docker's driver writes them.
    let error = world.cli(&["logs", "nobody"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such container: nobody"),
        "{error}"
    );
}

fn the_end_of_a_log(client: Client) {
    let world = World::new(client);
    world.to_its_end("box", &[], &["seq", "1", "1000"]).ok();
    assert_eq!(
        world.cli(&["logs", "--tail", "3", "box"]).ok(),
        "998\n999\n1000"
    );
    assert_eq!(world.cli(&["logs", "--tail", "0", "box"]).ok(), "");
    assert_eq!(world.cli(&["logs", "box"]).ok().lines().count(), 1000);
}

fn following_ends_with_the_container(client: Client) {
    let world = World::new(client);
    let script =
        "i=0; while [ ! -e /tmp/stop ]; do echo line $i; i=$((i+1)); usleep 5000; done; echo last";
    world.background("box", &[], &["sh", "-c", script]);
    let follow = world.start(&["logs", "-f", "box"]);
    follow.expect("line 20\n");
    let from_the_end = world.start(&["logs", "-f", "--tail", "1", "box"]);
    from_the_end.expect("line");
    // Its own end may be caught up in the container's.
    let _ = world.cli(&["exec", "box", "touch", "/tmp/stop"]);
    let (all, end) = (follow.end(), from_the_end.end());
    assert_eq!((all.code, end.code), (0, 0));
    assert_eq!(
        all.stdout,
        world.cli(&["logs", "box"]).stdout,
        "nothing is missing and nothing is there twice"
    );
    assert!(
        all.stdout.ends_with("last\n") && all.stdout.ends_with(&end.stdout),
        "{end:?}"
    );
}

fn times_can_be_asked_for(client: Client) {
    let world = World::new(client);
    world
        .to_its_end("box", &[], &["sh", "-c", "echo early; sleep 1; echo late"])
        .ok();
    let stamped = world.cli(&["logs", "-t", "box"]).ok();
    let times: Vec<_> = stamped
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!((times[0].1, times[1].1), ("early", "late"), "{stamped}");
    let late = times[1].0;
    assert_eq!(world.cli(&["logs", "--since", late, "box"]).ok(), "late");
    assert_eq!(
        world.cli(&["logs", "--until", times[0].0, "box"]).ok(),
        "early"
    );
    assert_eq!(
        world.cli(&["logs", "--since", "10m", "box"]).ok(),
        "early\nlate"
    );
}

fn attaching_sees_what_comes(client: Client) {
    let world = World::new(client);
    let script = "read line; echo got $line; exit 4";
    world
        .cli(&["run", "-di", "--name", "box", "busybox", "sh", "-c", script])
        .ok();
    let said = world.cli_with_input(&["attach", "box"], b"something\n");
    assert_eq!(
        (said.stdout.as_str(), said.code),
        ("got something\n", 4),
        "{said:?}"
    );
}

fn bytes_come_back_as_they_were(client: Client) {
    let world = World::new(client);
    let script =
        "printf '\\377\\376 not text \\200\\n'; head -c 40000 /dev/zero | tr '\\0' x; echo";
    world.to_its_end("box", &[], &["sh", "-c", script]).ok();
    let answer = world.engine.ask("GET", "/containers/box/logs?stdout=1", "");
    let mut bytes = Vec::new();
    let mut rest = answer.body.as_slice();
    while let [_, _, _, _, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        bytes.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    let expected = [
        b"\xff\xfe not text \x80\n".as_slice(),
        &[b'x'; 40_000],
        b"\n",
    ]
    .concat();
    assert!(
        bytes == expected,
        "{} bytes of {}: {:?}",
        bytes.len(),
        expected.len(),
        &bytes[..bytes.len().min(40)]
    );
}

fn another_driver_is_refused(client: Client) {
    let world = World::new(client);
    let error = world
        .cli(&["create", "--log-driver", "carrier-pigeon", "busybox"])
        .fails(1);
    assert!(error.contains("carrier-pigeon"), "{error}");
    world
        .to_its_end("silent", &["--log-driver", "none"], &["echo", "unheard"])
        .ok();
    let said = world.cli(&["logs", "silent"]);
    assert!(said.code != 0 && said.stdout.is_empty(), "{said:?}");
}
