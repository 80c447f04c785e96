//! Figures of the machine and of processes.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::peers::{Docker, Peer, Podman};

/// One line about what was measured on which machine.
pub fn machine(docker: &Docker, podman: &Podman) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let info = fs::read_to_string("/proc/meminfo")?;
    let total: u64 = info
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .context("no MemTotal in /proc/meminfo")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "{cores} cores, {:.0} GiB, Linux {}; docker {}, podman {}\n",
        total as f64 / (1 << 20) as f64,
        kernel.trim(),
        version(docker)?,
        version(podman)?,
    ))
}

fn version(peer: &dyn Peer) -> Result<String> {
    let format = if peer.name() == "podman" {
        "{{.Client.Version}}"
    } else {
        "{{.Server.Version}}"
    };
    let said = peer.cli().args(["version", "--format", format]).output()?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Resident memory of a process, in KiB.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .with_context(|| format!("process {pid} has no VmRSS"))
}

/// The living processes of that name, as `pgrep` knows it (15 characters).
/// Orphans come to this program, as the first of its namespace, and stay
/// zombies: they have no memory to measure.
pub fn named(name: &str) -> Result<Vec<u32>> {
    let short: String = name.chars().take(15).collect();
    let said = Command::new("pgrep")
        .args(["--exact", "--runstates", "RSD", &short])
        .output()?;
    Ok(String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect())
}

/// The middle one of some durations.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
