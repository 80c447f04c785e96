//! What an engine must not leave behind, and removing it all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, run};

/// Where an engine of a test leaves its traces.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Its roots are below.
    pub(crate) folder: &'a Path,
    /// Of its bridge, its control groups' parent and, after `gantry-`, its table of rules.
    pub(crate) name: Option<&'a str>,
    /// Where its network is, if not the machine's.
    pub(crate) namespace: Option<&'a Path>,
}

impl Place<'_> {
    /// What is there though no container is. Waits a while for it to go.
    pub(crate) fn find(self) -> Vec<String> {
        // A shim leaves a moment after the removal of its container has been answered.
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let left = self.look();
            if left.is_empty() || std::time::Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn look(self) -> Vec<String> {
        let mut left = Vec::new();
        for (pid, words) in processes(self.folder) {
            left.push(format!("process {pid}: {words}"));
        }
        for point in mounts(self.folder) {
            left.push(format!("mount {}", point.display()));
        }
        for folder in ["data/containers", "run/containers", "run/netns"] {
            for entry in names_in(&self.folder.join(folder)) {
                left.push(format!("folder {folder}/{entry}"));
            }
        }
        for (hierarchy, groups) in self.groups() {
            for group in groups {
                left.push(format!("control group {group} in {}", hierarchy.display()));
            }
        }
        for interface in self.interfaces() {
            left.push(format!("interface {interface}"));
        }
        for redirect in self.redirects() {
            left.push(format!("redirect {redirect}"));
        }
        left
    }

    /// The control groups of its containers, by hierarchy.
    pub(crate) fn groups(self) -> BTreeMap<PathBuf, BTreeSet<String>> {
        let Some(name) = self.name else {
            return BTreeMap::new();
        };
        let hierarchies = hierarchies().into_iter().map(|hierarchy| {
            let groups = folders_in(&hierarchy.join(name));
            (hierarchy, groups)
        });
        hierarchies.collect()
    }

    /// What is attached to its bridge.
    pub(crate) fn interfaces(self) -> Vec<String> {
        let Some(bridge) = self.name else {
            return Vec::new();
        };
        // Fails where there is no bridge.
        let said = self.nearby("ip", &["-o", "link", "show", "master", bridge]);
        let names = said.lines().filter_map(|line| line.split(": ").nth(1));
        names.map(str::to_owned).collect()
    }

    /// The published ports that its rules know.
    pub(crate) fn redirects(self) -> Vec<String> {
        let Some(bridge) = self.name else {
            return Vec::new();
        };
        // Fails where there is no table.
        let said = self.nearby("nft", &["list", "table", "ip", &format!("gantry-{bridge}")]);
        let mut found = Vec::new();
        for set in said.split("elements = {").skip(1) {
            let elements = set.split('}').next().unwrap_or_default();
            found.extend(elements.split(',').map(|one| one.trim().to_owned()));
        }
        found
    }

    /// What a program says where its network is.
    fn nearby(self, program: &str, words: &[&str]) -> String {
        let mut command = match self.namespace {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net={}", namespace.display()))
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        run(command.args(words)).stdout
    }

    /// Removes the network that an engine keeps for its next start, and whatever a broken or killed one left.
    pub(crate) fn clear(self) {
        for (pid, _) in processes(self.folder) {
            kill(pid);
        }
        for hierarchy in self.groups().keys() {
            self.clear_groups(hierarchy);
        }
        for point in mounts(self.folder) {
            let _ = run(Command::new("umount").arg("-l").arg(point));
        }
        if let Some(bridge) = self.name
            && self.namespace.is_none()
        {
            // What isn't there is no news.
            let _ = run(Command::new("ip").args(["link", "delete", bridge]));
            let table = format!("gantry-{bridge}");
            let _ = run(Command::new("nft").args(["delete", "table", "ip", &table]));
        }
    }

    /// Ends all in the control groups and removes them, with their parent.
    fn clear_groups(self, hierarchy: &Path) {
        let Some(parent) = self.name.map(|name| hierarchy.join(name)) else {
            return;
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        // What was killed leaves a group a little later.
        while parent.exists() && std::time::Instant::now() < deadline {
            for group in folders_in(&parent) {
                let group = parent.join(group);
                // The frozen don't die: each file is of one version of control groups.
                let _ = write_existing(&group.join("freezer.state"), "THAWED");
                let _ = write_existing(&group.join("cgroup.freeze"), "0");
                let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                for pid in pids.lines().filter_map(|line| line.parse().ok()) {
                    kill(pid);
                }
                let _ = fs::remove_dir(&group);
            }
            if fs::remove_dir(&parent).is_err() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

fn write_existing(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    fs::File::options()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())
}

fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Processes that name a folder, live in it, or hold a file in it: engines, shims, proxies, apps.
pub(crate) fn processes(folder: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for name in names_in(Path::new("/proc")) {
        let Ok(pid) = name.parse() else {
            continue;
        };
        let process = Path::new("/proc").join(name);
        let text = |file: &str| {
            let bytes = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let words = text("cmdline");
        let name = folder.to_string_lossy();
        let named = || {
            let home = format!("HOME={name}");
            words.contains(&*name)
                || text("environ")
                    .split(' ')
                    .any(|variable| variable.starts_with(&home))
        };
        let holds = || {
            let open = fs::read_dir(process.join("fd")).into_iter().flatten();
            open.flatten()
                .any(|open| fs::read_link(open.path()).is_ok_and(|file| file.starts_with(folder)))
        };
        if pid != std::process::id() && (named() || holds()) {
            found.push((pid, words));
        }
    }
    found
}

/// Mounts below a folder, the last one first.
pub(crate) fn mounts(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    let mut found: Vec<_> = points.filter(|point| point.starts_with(folder)).collect();
    found.reverse();
    found
}

/// Where control groups are mounted.
fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = table.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup")
            .then(|| place.split(' ').nth(4).map(PathBuf::from))?
    });
    mounted.collect()
}

/// What lies in a folder; nothing where it isn't there.
pub(crate) fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn folders_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
