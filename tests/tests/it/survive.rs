//! Containers outlive their engine.

use gantry_tests::{Client, World, until};

both!(
    containers_live_on_and_logs_are_complete,
    exits_meanwhile_are_known,
    the_engine_takes_up_what_it_had,
    a_policy_holds_over_a_restart,
);

fn containers_live_on_and_logs_are_complete(client: Client) {
    let mut world = World::new(client);
    let script = "i=0; while [ ! -e /tmp/stop ]; do echo $i; i=$((i+1)); usleep 2000; done; exit $((i%100+1))";
    world.background("box", &[], &["sh", "-c", script]);
    let pid = world.inspect("box")["State"]["Pid"].clone();
    let lines = |world: &World| world.cli(&["logs", "box"]).ok().lines().count();
    until("some lines", || {
        if lines(&world) > 20 { Ok(()) } else { Err(()) }
    });
    let before = lines(&world);
    world.engine.kill();
    std::thread::sleep(std::time::Duration::from_millis(300));
    world.engine.restart();
    assert_eq!(
        world.inspect("box")["State"]["Pid"],
        pid,
        "the same process"
    );
    assert_eq!(world.status("box"), "running");
    until("more lines", || {
        if lines(&world) > before + 100 {
            Ok(())
        } else {
            Err(lines(&world))
        }
    });
    let follow = world.start(&["logs", "-f", "box"]);
    // Its own end may be caught up in the container's.
    let _ = world.cli(&["exec", "box", "touch", "/tmp/stop"]);
    let said = follow.end().ok();
    let numbers: Vec<usize> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(
        numbers,
        (0..numbers.len()).collect::<Vec<_>>(),
        "each line once"
    );
    world.until_status("box", "exited");
    // It has counted itself.
    assert_eq!(
        world.inspect("box")["State"]["ExitCode"],
        numbers.len() % 100 + 1
    );
}

fn exits_meanwhile_are_known(client: Client) {
    let mut world = World::new(client);
    let script = "until [ -e /tmp/stop ]; do usleep 10000; done; echo over; exit 17";
    world.background("box", &[], &["sh", "-c", script]);
    world.background("gone", &["--rm"], &["sh", "-c", script]);
    let pids: Vec<_> = ["box", "gone"]
        .iter()
        .map(|name| world.inspect(name)["State"]["Pid"].as_u64().unwrap())
        .collect();
    world.engine.kill();
    for pid in &pids {
        std::fs::write(format!("/proc/{pid}/root/tmp/stop"), "").unwrap();
        until("it ends by itself", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                Ok(())
            } else {
                Err(stat)
            }
        });
    }
    world.engine.restart();
    world.until_status("box", "exited");
    assert_eq!(world.inspect("box")["State"]["ExitCode"], 17);
    assert_eq!(world.cli(&["logs", "box"]).ok(), "over");
    assert_eq!(world.cli(&["wait", "box"]).ok(), "17");
    until("what was run with --rm should be gone", || {
        let names = world.cli(&["ps", "-a", "--format", "{{.Names}}"]).ok();
        if names == "box" { Ok(()) } else { Err(names) }
    });
    world.cli(&["start", "box"]).ok();
    world.cli(&["rm", "-f", "box"]).ok();
}

fn the_engine_takes_up_what_it_had(client: Client) {
    let mut world = World::new(client);
    let serve = "mkdir /www; echo a page > /www/index.html; exec httpd -f -p 80 -h /www";
    world.background("web", &["-p", "127.0.0.1::80"], &["sh", "-c", serve]);
    world.background("held", &[], &["sleep", "1000"]);
    world.cli(&["pause", "held"]).ok();
    world
        .cli(&["create", "--name", "made", "busybox", "echo", "made"])
        .ok();
    let address = world.cli(&["port", "web", "80"]).ok();
    let page = || {
        let said = gantry_tests::run(std::process::Command::new("curl").args([
            "-s",
            "--noproxy",
            "*",
            &address,
        ]));
        if said.stdout == "a page\n" {
            Ok(())
        } else {
            Err(said)
        }
    };
    until("the page", page);
    world.engine.kill();
    until("the page without an engine", page);
    world.engine.restart();
    until("the page after the engine's return", page);
    assert_eq!(world.cli(&["port", "web", "80"]).ok(), address);
    assert_eq!(world.status("held"), "paused");
    world.cli(&["unpause", "held"]).ok();
    assert_eq!(world.cli(&["exec", "held", "echo", "awake"]).ok(), "awake");
    assert_eq!(world.cli(&["start", "-a", "made"]).ok(), "made");
    // An orderly end leaves containers alive just the same.
    world.engine.stop();
    until("the page after an orderly end", page);
    world.engine.restart();
    let names = world.cli(&["ps", "--format", "{{.Names}}"]).ok();
    assert_eq!(names, "held\nweb");
    world.cli(&["stop", "-t", "0", "web", "held"]).ok();
    // The address may be used again by others now.
    world.once(&[], &["ip", "addr"]).ok();
}

fn a_policy_holds_over_a_restart(client: Client) {
    let mut world = World::new(client);
    world.background("box", &["--restart", "always"], &["sleep", "1000"]);
    world.background("once", &[], &["sleep", "1000"]);
    let pid = |world: &World, name: &str| world.inspect(name)["State"]["Pid"].as_u64().unwrap();
    let before = pid(&world, "box");
    let processes = [before, pid(&world, "once")];
    world.engine.kill();
    for pid in processes {
        gantry_tests::run(std::process::Command::new("kill").args(["-9", &pid.to_string()])).ok();
    }
    world.engine.restart();
    world.until_status("box", "running");
    assert_ne!(pid(&world, "box"), before);
    world.until_status("once", "exited");
    assert_eq!(world.inspect("once")["State"]["ExitCode"], 137);
}
