//! What a container may use.

use gantry_tests::{Client, World};

both!(
    memory_has_an_end,
    processors_are_shared_out,
    processes_are_counted,
    limits_change_while_it_runs,
    the_host_is_out_of_reach,
);

fn memory_has_an_end(client: Client) {
    let world = World::new(client);
    let script = "a=0123456789; while :; do a=$a$a; done";
    world
        .to_its_end("box", &["-m", "64m"], &["sh", "-c", script])
        .fails(137);
    let state = world.inspect("box")["State"].clone();
    assert_eq!(
        (&state["OOMKilled"], &state["ExitCode"]),
        (&true.into(), &137.into()),
        "{state}"
    );
    assert_eq!(
        world
            .cli(&["inspect", "--format", "{{.State.OOMKilled}}", "box"])
            .ok(),
        "true"
    );
    // Killed by somebody is another thing.
    world.background("other", &["-m", "64m"], &["sleep", "1000"]);
    world.cli(&["kill", "other"]).ok();
    world.until_status("other", "exited");
    assert_eq!(world.inspect("other")["State"]["OOMKilled"], false);
}

fn processors_are_shared_out(client: Client) {
    let world = World::new(client);
    let script = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null";
    let said = world.once(&["--cpus", "0.5"], &["sh", "-c", script]);
    assert!(said.stdout.starts_with("50000"), "{said:?}");
    world
        .cli(&["create", "--name", "box", "--cpus", "1.5", "busybox"])
        .ok();
    assert_eq!(
        world.inspect("box")["HostConfig"]["NanoCpus"],
        1_500_000_000u64
    );
    let error = world.cli(&["create", "--cpus", "9999", "busybox"]).fails(1);
    assert!(
        error
            .to_lowercase()
            .contains("range of cpus is from 0.01 to"),
        "{error}"
    );
}

fn processes_are_counted(client: Client) {
    let world = World::new(client);
    let script = "for i in $(seq 40); do sleep 5 & done; echo all started";
    let said = world.once(&["--pids-limit", "10"], &["sh", "-c", script]);
    assert!(
        said.stderr.contains("can't fork") && !said.stdout.contains("all started"),
        "{said:?}"
    );
    let said = world.once(&[], &["sh", "-c", script]);
    assert_eq!(said.stdout, "all started\n", "{said:?}");
}

fn limits_change_while_it_runs(client: Client) {
    let world = World::new(client);
    world.background("box", &["-m", "64m"], &["sleep", "1000"]);
    world
        .cli(&["update", "--memory", "128m", "--memory-swap", "256m", "box"])
        .ok();
    let script =
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    assert_eq!(
        world.cli(&["exec", "box", "sh", "-c", script]).stdout,
        "134217728\n"
    );
    assert_eq!(world.inspect("box")["HostConfig"]["Memory"], 134_217_728);
}

fn the_host_is_out_of_reach(client: Client) {
    let world = World::new(client);
    let run = |script: &str| world.once(&["-m", "64m"], &["sh", "-c", script]);
    // Root in the container may not raise its own limits, reach the clock, or read the kernel's secrets.
    let raised = "for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do \
        [ -e $f ] && echo 1073741824 > $f && echo raised; done; true";
    let said = run(raised);
    assert!(
        said.stderr.contains("Read-only file system") && said.stdout.is_empty(),
        "{said:?}"
    );
    let said = run("mkdir /sys/fs/cgroup/systemd/x /sys/fs/cgroup/x && echo made");
    assert!(!said.stdout.contains("made"), "{said:?}");
    let said = run(
        "date -s 2030-01-01 2>&1 >/dev/null; cat /proc/kcore 2>/dev/null | wc -c; echo 1 > /proc/sys/kernel/printk",
    );
    assert!(
        said.stdout.contains("not permitted") && said.stdout.ends_with("0\n"),
        "{said:?}"
    );
    assert!(said.stderr.contains("Read-only file system"), "{said:?}");
    let said = run(
        "unshare -m true && echo unshared; mount -t tmpfs x /tmp && echo mounted; \
        mknod /tmp/d b 254 0 && cat /tmp/d && echo read; echo tried",
    );
    assert_eq!(said.stdout, "tried\n", "{said:?}");
    // No descriptor of the engine or the shim came along.
    let said =
        run("ls -l /proc/self/fd | grep -e '->' | grep -v -e pipe: -e /dev/null -e '/proc/.*/fd'");
    assert_eq!(said.stdout, "", "{said:?}");
    let said = run("grep -E 'NoNewPrivs|Seccomp:|SigIgn|SigBlk' /proc/self/status | tr '\\t' ' '");
    assert!(said.stdout.contains("Seccomp: 2"), "{said:?}");
    assert!(
        said.stdout.contains("SigBlk: 0000000000000000")
            && said.stdout.contains("SigIgn: 0000000000000000")
    );
}
