//! Limits, and running out of memory.

use gantry_runtime::cgroup::{Hierarchies, Layout};

use crate::ground::Ground;

#[tokio::test]
async fn out_of_memory_is_told() {
    let mut ground = Ground::script("x=a; while :; do x=$x$x; done");
    ground.spec.resources.memory = Some(16 << 20);
    ground.spec.resources.memory_swap = Some(16 << 20);
    let (exit, _) = ground.run().await;
    assert_eq!((exit.code, exit.oom_killed), (137, true));
}

#[tokio::test]
async fn out_of_memory_of_a_child_is_told() {
    let mut ground = Ground::script("sh -c 'x=a; while :; do x=$x$x; done'; exit 4");
    ground.spec.resources.memory = Some(16 << 20);
    ground.spec.resources.memory_swap = Some(16 << 20);
    let (exit, _) = ground.run().await;
    assert_eq!((exit.code, exit.oom_killed), (4, true));
}

#[tokio::test]
async fn processes_are_counted() {
    let mut ground = Ground::script("for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done; echo all");
    ground.spec.resources.pids_limit = Some(5);
    let (exit, output) = ground.run().await;
    assert_ne!(exit.code, 0);
    assert!(
        output.stderr.contains("can't fork") && !output.stdout.contains("all"),
        "{output:?}"
    );
}

#[tokio::test]
async fn cpu_limits_are_set() {
    let mut ground = Ground::script(
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || cat /sys/fs/cgroup/cpu.max",
    );
    ground.spec.resources.nano_cpus = Some(500_000_000);
    ground.spec.resources.cpu_shares = Some(512);
    let output = ground.run().await.1.stdout;
    assert!(output.starts_with("50000"), "{output}");
}

#[tokio::test]
async fn no_more_than_its_memory_is_no_swap() {
    let mut ground = Ground::script(
        "cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.swap.max",
    );
    ground.spec.resources.memory = Some(32 << 20);
    ground.spec.resources.memory_swap = Some(32 << 20);
    // cgroup v1 limits both together, v2 swap alone.
    let expected = match Hierarchies::detect().unwrap().layout() {
        Layout::Unified => "0\n",
        Layout::V1 | Layout::Hybrid => "33554432\n",
    };
    assert_eq!(ground.run().await.1.stdout, expected);
}
