//! From created to removed: stop, kill, pause, wait, restart, ps, top, inspect, stats.

use std::time::{Duration, Instant};

use gantry_tests::{Client, World, until};

both!(
    stopping_asks_first,
    any_signal_can_be_sent,
    pausing_holds_it,
    waiting_gives_the_code,
    failures_are_tried_again,
    restarting_and_renaming,
    lists_are_filtered,
    processes_are_listed,
    inspecting_shows_all,
    figures_are_shown,
    removing_needs_force_while_it_runs,
);

const POLITE: &str = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";

fn polite(world: &World, name: &str) {
    world.background(name, &[], &["sh", "-c", POLITE]);
    until("the shell should be ready", || {
        let said = world.cli(&["logs", name]);
        if said.stdout.contains("ready") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

fn stopping_asks_first(client: Client) {
    let world = World::new(client);
    polite(&world, "polite");
    world.cli(&["stop", "-t", "60", "polite"]).ok();
    assert!(world.cli(&["logs", "polite"]).ok().ends_with("bye"));
    assert_eq!(world.inspect("polite")["State"]["ExitCode"], 0);
    world.background("deaf", &[], &["sleep", "1000"]);
    let began = Instant::now();
    world.cli(&["stop", "-t", "1", "deaf"]).ok();
    assert!(
        began.elapsed().as_millis() >= 900,
        "it was given its second"
    );
    assert_eq!(world.inspect("deaf")["State"]["ExitCode"], 137);
    // Stopping what is stopped is fine, and starting it again too.
    world.cli(&["stop", "deaf"]).ok();
    world.cli(&["start", "deaf"]).ok();
    assert_eq!(world.status("deaf"), "running");
}

fn any_signal_can_be_sent(client: Client) {
    let world = World::new(client);
    let script = "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done";
    world.background("box", &[], &["sh", "-c", script]);
    let follow = world.start(&["logs", "-f", "box"]);
    follow.expect("ready");
    world.cli(&["kill", "-s", "USR1", "box"]).ok();
    follow.expect("usr1");
    world.cli(&["kill", "-s", "SIGUSR1", "box"]).ok();
    let error = world.cli(&["kill", "-s", "NONSENSE", "box"]).fails(1);
    assert!(
        error.to_lowercase().contains("invalid signal: nonsense"),
        "{error}"
    );
    world.cli(&["kill", "box"]).ok();
    world.until_status("box", "exited");
    assert_eq!(world.inspect("box")["State"]["ExitCode"], 137);
    let error = world.cli(&["kill", "box"]).fails(1);
    assert!(error.contains("is not running"), "{error}");
}

fn pausing_holds_it(client: Client) {
    let world = World::new(client);
    let script = "while :; do echo >> /tmp/ticks; usleep 1000; done";
    world.background("box", &[], &["sh", "-c", script]);
    let pid = world.inspect("box")["State"]["Pid"].clone();
    let ticks = || {
        let file = format!("/proc/{pid}/root/tmp/ticks");
        std::fs::metadata(file).map_or(0, |file| file.len())
    };
    let goes_on = |from: u64| {
        until("it should tick", || {
            let now = ticks();
            if now > from + 10 { Ok(()) } else { Err(now) }
        });
    };
    goes_on(0);
    world.cli(&["pause", "box"]).ok();
    let held = ticks();
    assert_eq!(world.status("box"), "paused");
    assert!(world.cli(&["ps"]).ok().contains("(Paused)"));
    let error = world.cli(&["exec", "box", "true"]).fails(1);
    assert!(
        error.contains("is paused, unpause the container before exec"),
        "{error}"
    );
    let error = world.cli(&["pause", "box"]).fails(1);
    assert!(error.contains("is already paused"), "{error}");
    // Long enough for hundreds of ticks.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ticks(), held, "nothing runs in it");
    world.cli(&["unpause", "box"]).ok();
    assert_eq!(world.status("box"), "running");
    goes_on(held);
    world.cli(&["exec", "box", "true"]).ok();
    // Removing works on a paused one too.
    world.cli(&["pause", "box"]).ok();
    world.cli(&["rm", "-f", "box"]).ok();
}

fn waiting_gives_the_code(client: Client) {
    let world = World::new(client);
    world
        .cli(&[
            "run",
            "-di",
            "--name",
            "box",
            "busybox",
            "sh",
            "-c",
            "read line; exit 6",
        ])
        .ok();
    let mut wait = world.start(&["wait", "box"]);
    assert!(!wait.has_ended());
    let _ = world.cli_with_input(&["attach", "box"], b"\n");
    assert_eq!(wait.end().ok(), "6");
    assert_eq!(
        world.cli(&["wait", "box"]).ok(),
        "6",
        "at once for one that has ended"
    );
}

fn failures_are_tried_again(client: Client) {
    let world = World::new(client);
    world.background(
        "box",
        &["--restart", "on-failure:3"],
        &["sh", "-c", "echo try; exit 1"],
    );
    until(
        "it should have been restarted three times and given up",
        || {
            let container = world.inspect("box");
            let done = container["RestartCount"] == 3 && container["State"]["Status"] == "exited";
            if done {
                Ok(())
            } else {
                Err(container["State"].clone())
            }
        },
    );
    assert_eq!(world.cli(&["logs", "box"]).ok(), "try\ntry\ntry\ntry");
    assert_eq!(world.inspect("box")["State"]["ExitCode"], 1);
    world.background("fine", &["--restart", "on-failure:3"], &["true"]);
    world.until_status("fine", "exited");
    assert_eq!(world.inspect("fine")["RestartCount"], 0);
}

fn restarting_and_renaming(client: Client) {
    let world = World::new(client);
    polite(&world, "before");
    let first = world.inspect("before")["State"]["Pid"].clone();
    world.cli(&["restart", "-t", "0", "before"]).ok();
    assert_eq!(world.status("before"), "running");
    assert_ne!(world.inspect("before")["State"]["Pid"], first);
    world.cli(&["rename", "before", "after"]).ok();
    assert_eq!(world.cli(&["ps", "--format", "{{.Names}}"]).ok(), "after");
    world.cli(&["rm", "before"]).fails(1);
}

fn lists_are_filtered(client: Client) {
    let world = World::new(client);
    world.background("lives", &["--label", "tier=web"], &["sleep", "1000"]);
    world
        .to_its_end("failed", &["--label", "tier=job"], &["sh", "-c", "exit 3"])
        .fails(3);
    world.cli(&["create", "--name", "made", "busybox"]).ok();
    let names = |filters: &[&str]| {
        let mut words = vec!["ps", "-a", "--format", "{{.Names}}"];
        for filter in filters {
            words.extend(["--filter", filter]);
        }
        let said = world.cli(&words).ok();
        let mut names: Vec<_> = said.lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&[]), "failed lives made");
    assert_eq!(names(&["status=running"]), "lives");
    assert_eq!(names(&["status=exited"]), "failed");
    assert_eq!(names(&["status=created", "status=exited"]), "failed made");
    assert_eq!(names(&["exited=3"]), "failed");
    assert_eq!(names(&["exited=4"]), "");
    assert_eq!(names(&["label=tier"]), "failed lives");
    assert_eq!(names(&["label=tier=web"]), "lives");
    assert_eq!(names(&["name=^l"]), "lives");
    assert_eq!(names(&["name=ail"]), "failed");
    assert_eq!(names(&["ancestor=busybox"]), "failed lives made");
    assert_eq!(names(&["before=made", "status=exited"]), "failed");
    assert_eq!(names(&["since=lives"]), "failed made");
    let id = world.inspect("lives")["Id"].as_str().unwrap().to_owned();
    assert_eq!(names(&[&format!("id={}", &id[..10])]), "lives");
    assert_eq!(world.cli(&["ps", "-q"]).ok(), id[..12]);
    assert_eq!(world.cli(&["ps", "-q", "--no-trunc"]).ok(), id);
    assert_eq!(
        world.cli(&["ps", "-l", "--format", "{{.Names}}"]).ok(),
        "made"
    );
    let table = world.cli(&["ps", "-a"]).ok();
    for word in [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
        "Exited (3)",
        "Up ",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let error = world.cli(&["ps", "--filter", "nonsense=1"]).fails(1);
    assert!(error.to_lowercase().contains("invalid filter"), "{error}");
}

fn processes_are_listed(client: Client) {
    let world = World::new(client);
    world.background("box", &[], &["sh", "-c", "sleep 1001 & sleep 1002"]);
    until("both should be there", || {
        let said = world.cli(&["top", "box"]).ok();
        let all = ["PID", "CMD", "sleep 1001", "sleep 1002"]
            .iter()
            .all(|word| said.contains(word));
        if all { Ok(()) } else { Err(said) }
    });
    let said = world.cli(&["top", "box", "-o", "pid,comm"]).ok();
    assert!(
        said.lines()
            .next()
            .is_some_and(|head| !head.contains("CMD") && head.contains("COMMAND")),
        "{said}"
    );
    world.cli(&["kill", "box"]).ok();
    world.until_status("box", "exited");
    let error = world.cli(&["top", "box"]).fails(1);
    assert!(error.contains("is not running"), "{error}");
}

fn inspecting_shows_all(client: Client) {
    let world = World::new(client);
    world.background("box", &["-m", "64m", "--label", "a=b"], &["sleep", "1000"]);
    let format = "{{.State.Running}} {{.Config.Image}} {{.HostConfig.Memory}} {{index .Config.Labels \"a\"}} {{.Name}}";
    assert_eq!(
        world.cli(&["inspect", "--format", format, "box"]).ok(),
        "true busybox 67108864 b /box"
    );
    let said = world.cli(&["inspect", "box"]).ok();
    let container: serde_json::Value = serde_json::from_str(&said).unwrap();
    let container = &container[0];
    assert_eq!(container["Path"], "sleep");
    assert_eq!(container["Args"][0], "1000");
    let pid = container["State"]["Pid"].as_u64().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    let address = &container["NetworkSettings"]["Networks"]["bridge"]["IPAddress"];
    let prefix = world.engine.subnet().prefix();
    assert!(
        address
            .as_str()
            .is_some_and(|address| address.starts_with(&prefix)),
        "{address} in {prefix}"
    );
    let image = world
        .cli(&[
            "inspect", "--type", "image", "--format", "{{.Os}}", "busybox",
        ])
        .ok();
    assert_eq!(image, "linux");
    let error = world.cli(&["inspect", "nobody"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such object: nobody"),
        "{error}"
    );
}

fn figures_are_shown(client: Client) {
    let world = World::new(client);
    let serve = "mkdir /www; head -c 200000 /dev/zero > /www/page; exec httpd -f -p 80 -h /www";
    world.background("server", &[], &["sh", "-c", serve]);
    let server = world.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        .as_str()
        .unwrap()
        .to_owned();
    let fetch = format!(
        "until wget -q -O /dev/null http://{server}/page; do usleep 10000; done; \
         echo fetched; while :; do :; done"
    );
    world.background("busy", &["-m", "64m"], &["sh", "-c", &fetch]);
    world.start(&["logs", "-f", "busy"]).expect("fetched");
    let said = world.cli(&["stats", "--no-stream"]).ok();
    for word in [
        "CONTAINER ID",
        "NAME",
        "CPU %",
        "MEM USAGE / LIMIT",
        "NET I/O",
        "BLOCK I/O",
        "PIDS",
        "busy",
        "64MiB",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let format = "{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDs}}";
    let words = ["stats", "--no-stream", "--format", format, "busy"];
    let said = world.cli(&words).ok();
    let [name, processor, memory, network, disk, processes] =
        said.split('|').collect::<Vec<_>>()[..]
    else {
        panic!("{said}")
    };
    assert_eq!((name, processes), ("busy", "1"), "{said}");
    let percent: f64 = processor.trim_end_matches('%').parse().unwrap();
    assert!(percent > 1.0, "{said}");
    assert!(
        memory.ends_with("iB / 64MiB") && !memory.starts_with('0'),
        "{said}"
    );
    let received = network.split("kB / ").next().unwrap_or_default();
    assert!(
        received
            .parse::<f64>()
            .is_ok_and(|kilobytes| kilobytes > 200.0),
        "{said}"
    );
    assert!(
        disk.split(" / ").all(|figure| figure.ends_with('B')),
        "{said}"
    );
    let follow = world.start(&["stats", "--format", "{{.Name}} {{.PIDs}}", "busy"]);
    follow.expect("busy");
}

fn removing_needs_force_while_it_runs(client: Client) {
    let world = World::new(client);
    world.background("box", &[], &["sleep", "1000"]);
    let error = world.cli(&["rm", "box"]).fails(1);
    assert!(
        error.contains("container is running") || error.contains("running container"),
        "{error}"
    );
    world.cli(&["rm", "-f", "box"]).ok();
    let error = world.cli(&["rm", "box"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such container: box"),
        "{error}"
    );
    for name in ["one", "two"] {
        world.to_its_end(name, &[], &["true"]).ok();
    }
    world.cli(&["container", "prune", "-f"]).ok();
    assert_eq!(world.cli(&["ps", "-aq"]).ok(), "");
}
