//! Control groups against the kernel of this machine, whatever its layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_runtime::cgroup::{Cgroup, CgroupError, Layout};
use gantry_runtime::spec::Resources;

const PATIENCE: Duration = Duration::from_secs(60);

/// A group of its own with a process in it, as an OCI runtime would make it; gone when dropped.
struct Group {
    cgroup: Cgroup,
    path: PathBuf,
    folders: Vec<PathBuf>,
    children: Vec<Child>,
}

impl Group {
    fn new(name: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root: they make control groups"
        );
        let path = PathBuf::from(format!("/gantry-test-{}-{name}", std::process::id()));
        let cgroup = Cgroup::open(&path).unwrap();
        let roots: Vec<PathBuf> = match cgroup.layout() {
            Layout::Unified => vec!["/sys/fs/cgroup".into()],
            _ => fs::read_dir("/sys/fs/cgroup")
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect(),
        };
        let folders: Vec<_> = roots
            .iter()
            .map(|root| root.join(path.strip_prefix("/").unwrap()))
            .collect();
        for (root, folder) in roots.iter().zip(&folders) {
            if cgroup.layout() == Layout::Unified {
                fs::write(root.join("cgroup.subtree_control"), "+cpu +memory +pids").unwrap();
            }
            fs::create_dir_all(folder).unwrap();
            // On v2 an empty set is the parent's.
            if cgroup.layout() != Layout::Unified {
                for name in ["cpuset.cpus", "cpuset.mems"] {
                    inherit(folder, root, name);
                }
            }
        }
        Self {
            cgroup,
            path,
            folders,
            children: Vec::new(),
        }
    }

    /// Runs a shell in the group.
    fn run(&mut self, script: &str) -> u32 {
        let joins: String = self
            .folders
            .iter()
            .map(|folder| format!("echo $$ > {}/cgroup.procs && ", folder.display()))
            .collect();
        let child = Command::new("sh")
            .args(["-c", &format!("{joins} exec sh -c '{script}'")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        until("the process joins the group", || {
            self.cgroup.pids().unwrap().contains(&pid)
        });
        pid
    }
}

fn inherit(folder: &Path, from: &Path, name: &str) {
    let (to, from) = (folder.join(name), from.join(name));
    if fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty()) {
        fs::write(to, fs::read_to_string(from).unwrap()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.cgroup.kill_all();
        for child in &mut self.children {
            let _ = child.wait();
        }
        let _ = self.cgroup.remove();
        assert!(
            !self.cgroup.exists() || std::thread::panicking(),
            "{} is left",
            self.path.display()
        );
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "too late: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[test]
fn figures_agree_with_the_kernel() {
    let mut group = Group::new("figures");
    group.run("i=0; while :; do i=$((i+1)); done");
    until("processor time is counted", || {
        group.cgroup.figures().unwrap().cpu.total > 200_000_000
    });
    until("user and system time too", || {
        let cpu = group.cgroup.figures().unwrap().cpu;
        cpu.user + cpu.system > 0
    });
    let figures = group.cgroup.figures().unwrap();
    assert!(figures.memory.usage > 0);
    assert!(!figures.memory.stats.is_empty());
    assert!(figures.memory.limit > figures.memory.usage);
    assert!(figures.pids.current >= 1);
    if group.cgroup.layout() != Layout::Unified {
        let sum: u64 = figures.cpu.per_cpu.iter().sum();
        assert!(
            sum.abs_diff(figures.cpu.total) < figures.cpu.total / 2,
            "{sum} of {}",
            figures.cpu.total
        );
    }
    assert_eq!(group.cgroup.oom_kills().unwrap(), 0);
}

#[test]
fn a_frozen_group_stands_still() {
    let mut group = Group::new("freeze");
    group.run("while :; do :; done");
    let busy = |group: &Group| group.cgroup.figures().unwrap().cpu.total;
    assert!(!group.cgroup.is_frozen().unwrap());
    group.cgroup.freeze().unwrap();
    group.cgroup.freeze().unwrap();
    assert!(group.cgroup.is_frozen().unwrap());
    let before = busy(&group);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(busy(&group), before);
    group.cgroup.thaw().unwrap();
    group.cgroup.thaw().unwrap();
    assert!(!group.cgroup.is_frozen().unwrap());
    until("it runs again", || busy(&group) > before);
}

#[test]
fn limits_change_while_it_runs() {
    let mut group = Group::new("update");
    group.run("sleep 1000");
    let limit = |memory, memory_swap| Resources {
        memory: Some(memory),
        memory_swap: Some(memory_swap),
        ..Resources::default()
    };
    // Up and down: on v1 the order of the two writes matters each time.
    for size in [64i64 << 20, 256 << 20, 32 << 20] {
        group.cgroup.update(&limit(size, 2 * size)).unwrap();
        assert_eq!(
            group.cgroup.figures().unwrap().memory.limit,
            u64::try_from(size).unwrap()
        );
    }
    let pids = Resources {
        pids_limit: Some(17),
        ..Resources::default()
    };
    group.cgroup.update(&pids).unwrap();
    assert_eq!(group.cgroup.figures().unwrap().pids.limit, Some(17));
    group
        .cgroup
        .update(&Resources {
            pids_limit: Some(-1),
            ..Resources::default()
        })
        .unwrap();
    assert_eq!(group.cgroup.figures().unwrap().pids.limit, None);
    let cpus = Resources {
        nano_cpus: Some(100_000_000),
        cpu_shares: Some(512),
        ..Resources::default()
    };
    group.cgroup.update(&cpus).unwrap();
    group.run("while :; do :; done");
    until("a tenth of a processor is a limit", || {
        group.cgroup.figures().unwrap().cpu.throttled_periods > 0
    });
    let wrong = group.cgroup.update(&Resources {
        cpuset_cpus: Some("7000".into()),
        ..Resources::default()
    });
    assert!(
        matches!(wrong, Err(CgroupError::Refused { .. })),
        "{wrong:?}"
    );
}

#[test]
fn a_process_killed_for_memory_is_counted() {
    let mut group = Group::new("oom");
    let limit = 16 << 20;
    group
        .cgroup
        .update(&Resources {
            memory: Some(limit),
            memory_swap: Some(limit),
            ..Resources::default()
        })
        .unwrap();
    // A shell variable that doubles.
    group.run("a=0123456789; while :; do a=$a$a; done");
    until("the kernel kills it", || {
        group.cgroup.oom_kills().unwrap() > 0
    });
}

#[test]
fn all_processes_are_killed_even_frozen_ones() {
    let mut group = Group::new("kill");
    group.run("while :; do sleep 0.01 & done");
    let other = group.run("trap \"\" TERM; sleep 1000 & wait");
    group.cgroup.freeze().unwrap();
    assert!(group.cgroup.pids().unwrap().len() >= 2);
    group.cgroup.kill_all().unwrap();
    assert!(group.cgroup.pids().unwrap().is_empty());
    assert_eq!(state(other), 'Z');
    group.cgroup.kill_all().unwrap();
}

#[test]
fn removing_takes_groups_below_along() {
    let mut group = Group::new("remove");
    for folder in &group.folders {
        fs::create_dir_all(folder.join("inner/most")).unwrap();
    }
    group.run("sleep 1000");
    group.cgroup.kill_all().unwrap();
    group.cgroup.remove().unwrap();
    assert!(group.folders.iter().all(|folder| !folder.exists()));
    assert!(!group.cgroup.exists());
    group.cgroup.remove().unwrap();
}
