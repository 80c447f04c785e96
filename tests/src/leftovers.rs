//! What an engine must not leave behind, and removing it all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Engine, PATIENCE, run};

/// Processes, mounts, namespaces, interfaces and control groups that are there though no container is.
pub(crate) fn find(engine: &Engine) -> Vec<String> {
    // A shim leaves a moment after the removal of its container has been answered.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let left = look(engine);
        if left.is_empty() || std::time::Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn look(engine: &Engine) -> Vec<String> {
    let mut left: Vec<String> = processes(engine.folder())
        .into_iter()
        .map(|(pid, words)| format!("process {pid}: {words}"))
        .collect();
    left.extend(
        mounts(engine.folder())
            .into_iter()
            .map(|point| format!("mount {}", point.display())),
    );
    for folder in ["containers", "netns"] {
        for root in [engine.exec_root(), engine.data_root()] {
            let entries = fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .flatten();
            left.extend(entries.map(|entry| format!("folder {}", entry.path().display())));
        }
    }
    let bridge = engine.subnet().bridge();
    let ports = fs::read_dir(format!("/sys/class/net/{bridge}/brif"))
        .into_iter()
        .flatten()
        .flatten();
    left.extend(ports.map(|port| format!("interface {}", port.file_name().to_string_lossy())));
    left
}

/// Processes that name the engine's folder: shims, proxies, the engine.
pub(crate) fn processes(folder: &Path) -> Vec<(u32, String)> {
    let folder = folder.to_string_lossy();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(words) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if pid != std::process::id() && words.contains(&*folder) {
            found.push((pid, words));
        }
    }
    found
}

fn mounts(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    let mut found: Vec<_> = points.filter(|point| point.starts_with(folder)).collect();
    found.reverse();
    found
}

/// Removes the network that an engine keeps for its next start, and whatever a broken one left.
pub(crate) fn clear(engine: &Engine) {
    for (pid, _) in processes(engine.folder()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    for point in mounts(engine.folder()) {
        let _ = run(Command::new("umount").arg("-l").arg(point));
    }
    let bridge = engine.subnet().bridge();
    if Path::new("/sys/class/net").join(&bridge).exists() {
        let _ = run(Command::new("ip").args(["link", "delete", &bridge]));
    }
    let tables = run(Command::new("nft").args(["list", "tables"])).stdout;
    let own = format!("gantry-{bridge}");
    for line in tables.lines() {
        if let ["table", family, name] = line.split_whitespace().collect::<Vec<_>>()[..]
            && name == own
        {
            let _ = run(Command::new("nft").args(["delete", "table", family, name]));
        }
    }
}
