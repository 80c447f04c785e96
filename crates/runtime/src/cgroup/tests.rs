//! The v2 paths against a tree of plain files, as the kernel would show it; the real kernel is in `tests/it`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::figures::parse_host_cpu;
use super::update::{io_weight, weight};
use super::*;
use crate::spec::Resources;

const LEGACY: &str = "\
25 20 0:22 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:23 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
29 25 0:25 / /mnt/memory\\040again rw - cgroup cgroup rw,memory
";

#[test]
fn layouts_are_told_apart() {
    let legacy = Hierarchies::parse(LEGACY).unwrap();
    assert_eq!(legacy.layout(), Layout::V1);
    assert_eq!(
        legacy.root_of(Controller::Cpu),
        Some(Path::new("/sys/fs/cgroup/cpu,cpuacct"))
    );
    assert_eq!(
        legacy.root_of(Controller::CpuAcct),
        Some(Path::new("/sys/fs/cgroup/cpu,cpuacct"))
    );
    assert_eq!(
        legacy.root_of(Controller::Memory),
        Some(Path::new("/sys/fs/cgroup/memory"))
    );
    assert_eq!(legacy.root_of(Controller::Pids), None);
    assert_eq!(legacy.roots().count(), 3, "each tree once");
    assert_eq!(legacy.v1_names(), ["systemd", "cpu,cpuacct", "memory"]);

    let beside = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let hybrid = Hierarchies::parse(&format!("{LEGACY}{beside}")).unwrap();
    assert_eq!(hybrid.layout(), Layout::Hybrid);
    assert_eq!(
        hybrid.root_of(Controller::Pids),
        None,
        "controllers are in v1"
    );
    assert_eq!(
        hybrid.roots().last(),
        Some(Path::new("/sys/fs/cgroup/unified"))
    );

    let unified =
        Hierarchies::parse("30 25 0:26 / /with\\040space rw shared:4 - cgroup2 cgroup2 rw\n")
            .unwrap();
    assert_eq!(unified.layout(), Layout::Unified);
    assert_eq!(
        unified.root_of(Controller::Block),
        Some(Path::new("/with space"))
    );
    assert!(matches!(
        Hierarchies::parse("1 1 0:1 / / rw - ext4 /dev/vda rw\nx - y\n"),
        Err(CgroupError::NoHierarchy)
    ));
}

#[test]
fn a_path_never_leaves_its_hierarchy() {
    let unified = Hierarchies::parse("30 25 0:26 / /cg rw - cgroup2 cgroup2 rw\n").unwrap();
    let group = Cgroup::in_hierarchies(unified, Path::new("/../a/./../b"));
    assert_eq!(
        group.folder(Controller::Cpu).unwrap(),
        PathBuf::from("/cg/a/b")
    );
}

struct Fake {
    root: TempDir,
    group: Cgroup,
}

fn fake(files: &[(&str, &str)]) -> Fake {
    let root = TempDir::new().unwrap();
    let table = format!(
        "30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n",
        root.path().display()
    );
    let group = Cgroup::in_hierarchies(Hierarchies::parse(&table).unwrap(), Path::new("/gantry/c"));
    fs::create_dir_all(root.path().join("gantry/c")).unwrap();
    let fake = Fake { root, group };
    for (name, text) in files {
        fs::write(fake.path(name), text).unwrap();
    }
    fake
}

impl Fake {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("gantry/c").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

#[test]
fn figures_of_v2() {
    let fake = fake(&[
        (
            "cpu.stat",
            "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 7\nnr_throttled 2\nthrottled_usec 9\n",
        ),
        ("memory.current", "1000000\n"),
        ("memory.peak", "2000000\n"),
        ("memory.max", "3000000\n"),
        (
            "memory.stat",
            "anon 600000\nfile 400000\ninactive_file 300000\nsome_new_thing 5\n",
        ),
        (
            "memory.events",
            "low 0\nhigh 0\nmax 4\noom 2\noom_kill 1\noom_group_kill 0\n",
        ),
        ("pids.current", "3\n"),
        ("pids.max", "max\n"),
        (
            "io.stat",
            "259:65537 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0 cost.usage=5\n8:16\nbroken\n",
        ),
    ]);
    let figures = fake.group.figures().unwrap();
    let cpu = Cpu {
        total: 1_500_000,
        user: 1_000_000,
        system: 500_000,
        per_cpu: Vec::new(),
        periods: 7,
        throttled_periods: 2,
        throttled: 9000,
    };
    assert_eq!(figures.cpu, cpu);
    assert_eq!(
        (
            figures.memory.usage,
            figures.memory.max_usage,
            figures.memory.limit
        ),
        (1_000_000, Some(2_000_000), 3_000_000)
    );
    assert_eq!(figures.memory.inactive_file(), 300_000);
    assert_eq!(figures.memory.stats["some_new_thing"], 5);
    assert_eq!(
        figures.pids,
        Pids {
            current: 3,
            limit: None
        }
    );
    let count = |operation: &str, value| BlockCount {
        major: 259,
        minor: 65537,
        operation: operation.into(),
        value,
    };
    assert_eq!(figures.block_bytes, [count("read", 10), count("write", 20)]);
    assert_eq!(
        figures.block_operations,
        [count("read", 1), count("write", 2)]
    );
    assert_eq!(fake.group.oom_kills().unwrap(), 1);
}

#[test]
fn no_limit_is_the_machines_memory() {
    let fake = fake(&[("memory.current", "1\n"), ("memory.max", "max\n")]);
    assert_eq!(
        fake.group.figures().unwrap().memory.limit,
        host_memory().unwrap()
    );
}

#[test]
fn a_group_that_is_gone_has_no_figures() {
    let fake = fake(&[]);
    fs::remove_dir(fake.path("")).unwrap();
    assert!(!fake.group.exists());
    assert!(matches!(fake.group.figures(), Err(CgroupError::Gone(_))));
    assert!(matches!(fake.group.oom_kills(), Err(CgroupError::Gone(_))));
    assert!(matches!(fake.group.freeze(), Err(CgroupError::Gone(_))));
    assert!(matches!(fake.group.thaw(), Err(CgroupError::Gone(_))));
    assert!(matches!(fake.group.pids(), Err(CgroupError::Gone(_))));
    assert!(matches!(
        fake.group.update(&Resources::default()),
        Err(CgroupError::Gone(_))
    ));
    fake.group.kill_all().unwrap();
    fake.group.remove().unwrap();
}

#[test]
fn freezing_on_v2_waits_for_the_kernel() {
    let fake = fake(&[
        ("cgroup.freeze", "0\n"),
        ("cgroup.events", "populated 1\nfrozen 1\n"),
    ]);
    assert!(!fake.group.is_frozen().unwrap());
    fake.group.freeze().unwrap();
    assert_eq!(fake.text("cgroup.freeze"), "1");
    assert!(fake.group.is_frozen().unwrap());
    fake.group.thaw().unwrap();
    assert_eq!(fake.text("cgroup.freeze"), "0");
}

#[test]
fn updates_on_v2_use_its_units() {
    let fake = fake(&[
        ("cpu.max", "max 100000\n"),
        ("memory.max", "max\n"),
        ("io.weight", "default 100\n"),
    ]);
    let limits = Resources {
        nano_cpus: Some(1_500_000_000),
        cpu_shares: Some(1024),
        cpuset_cpus: Some("0".into()),
        memory: Some(64 << 20),
        memory_swap: Some(96 << 20),
        memory_reservation: Some(32 << 20),
        pids_limit: Some(-1),
        blkio_weight: Some(300),
        ..Resources::default()
    };
    fake.group.update(&limits).unwrap();
    let files = [
        "cpu.max",
        "cpu.weight",
        "cpuset.cpus",
        "memory.max",
        "memory.swap.max",
        "memory.low",
        "pids.max",
        "io.weight",
    ];
    let texts: BTreeMap<_, _> = files.iter().map(|name| (*name, fake.text(name))).collect();
    insta::assert_debug_snapshot!(texts, @r#"
    {
        "cpu.max": "150000 100000",
        "cpu.weight": "100",
        "cpuset.cpus": "0",
        "io.weight": "2930",
        "memory.low": "33554432",
        "memory.max": "67108864",
        "memory.swap.max": "33554432",
        "pids.max": "max",
    }
    "#);
    // Less for both than for memory alone.
    let refused = fake
        .group
        .update(&Resources {
            memory_swap: Some(1 << 20),
            ..Resources::default()
        })
        .unwrap_err();
    assert!(
        refused.to_string().contains("Invalid argument"),
        "{refused}"
    );
    assert_eq!(fake.text("memory.swap.max"), "33554432", "unchanged");
}

#[test]
fn an_empty_update_changes_nothing() {
    let fake = fake(&[]);
    fake.group.update(&Resources::default()).unwrap();
    assert_eq!(fs::read_dir(fake.path("")).unwrap().count(), 0);
}

#[test]
fn pids_are_those_of_groups_below_too() {
    let fake = fake(&[("cgroup.procs", "30\n10\n0\n")]);
    fs::create_dir_all(fake.path("inner/most")).unwrap();
    fs::write(fake.path("inner/most/cgroup.procs"), "20\n10\n").unwrap();
    assert_eq!(fake.group.pids().unwrap(), [10, 20, 30]);
}

#[test]
fn block_figures_of_v1() {
    let text = "8:0 Read 4096\n8:0 Write 0\n259:70000 Read 1\n8:0 Total\nTotal 4097\n";
    let count = |major, minor, operation: &str, value| BlockCount {
        major,
        minor,
        operation: operation.into(),
        value,
    };
    let expected = [
        count(8, 0, "read", 4096),
        count(8, 0, "write", 0),
        count(259, 70000, "read", 1),
    ];
    assert_eq!(block::parse_v1(text), expected);
}

#[test]
fn block_figures_of_processes_are_their_own_and_their_childrens() {
    let pids = [std::process::id()];
    let written = || {
        let counts = block::of_processes(&pids);
        let write = counts.iter().find(|count| count.operation == "write");
        write.map_or(0, |count| count.value)
    };
    let before = written();
    // Not in /tmp, which may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let dd = std::process::Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", "count=16", "conv=fsync"])
        .arg(format!("of={}", folder.path().join("file").display()))
        .output()
        .unwrap();
    assert!(dd.status.success(), "{dd:?}");
    assert!(written() >= before + 16 * 64 * 1024);
    assert_eq!(block::of_processes(&[]), []);
}

#[test]
fn weights_span_their_range() {
    assert_eq!(
        [0, 2, 512, 1024, 262_144, u64::MAX].map(weight),
        [1, 1, 59, 100, 10_000, 10_000]
    );
}

#[test]
fn weights_of_block_io_span_theirs() {
    assert_eq!(
        [0, 10, 500, 1000, u16::MAX].map(io_weight),
        [1, 1, 4950, 10_000, 10_000]
    );
}

#[test]
fn the_machines_processor_time() {
    let text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1\ncpu1 1 1 1\nintr 5\n";
    assert_eq!(parse_host_cpu(text, 100), (28 * 10_000_000, 2));
    assert_eq!(parse_host_cpu("", 100), (0, 0));
}

#[test]
fn a_process_is_found_in_its_group() {
    let beside = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let hybrid = Hierarchies::parse(&format!("{LEGACY}{beside}")).unwrap();
    let folder = |line| hybrid.folder_of(line);
    assert_eq!(
        folder("4:cpu,cpuacct:/system.slice/a:b"),
        Some("/sys/fs/cgroup/cpu,cpuacct/system.slice/a:b".into())
    );
    assert_eq!(
        folder("1:name=systemd:/"),
        Some("/sys/fs/cgroup/systemd/".into())
    );
    assert_eq!(
        folder("0::/user.slice"),
        Some("/sys/fs/cgroup/unified/user.slice".into())
    );
    assert_eq!(folder("7:pids:/"), None, "not mounted");
    assert_eq!(folder("3:memory:/../outside"), None, "another namespace's");
    assert_eq!(folder("nonsense"), None);
}
