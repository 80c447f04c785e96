//! Figures of the machine and of processes.

use std::{env, fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::peers::{Docker, Gantry, Peer, Podman};

/// What was measured, on which machine: versions, and what a comparison depends on.
pub fn machine(gantry: &Gantry, docker: &Docker, podman: &Podman) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let field = |file: &str, name: &str| -> Result<String> {
        let text = fs::read_to_string(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
        value.with_context(|| format!("no {name} in {file}"))
    };
    let memory = field("/proc/meminfo", "MemTotal")?;
    let memory: f64 = memory.trim_end_matches(" kB").parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let ask = |peer: &dyn Peer, words: &[&str]| -> Result<String> {
        let said = peer.cli().args(words).output()?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let server = ["version", "--format", "{{.Server.Version}}"];
    let driver = ["info", "--format", "{{.Driver}}"];
    let store = ["info", "--format", "{{.Store.GraphDriverName}}"];
    let runtime = ["info", "--format", "{{.Host.OCIRuntime.Name}}"];
    let (theirs, podmans) = (ask(docker, &driver)?, ask(podman, &store)?);
    // Docker and podman copy whole trees where they find no overlayfs: that would be no comparison.
    ensure!(
        theirs == "overlay2" && podmans == "overlay",
        "docker stores by {theirs:?} and podman by {podmans:?}: set TMPDIR to a folder on a disk"
    );
    Ok(format!(
        "{cores} cores ({}), {:.0} GiB, Linux {}.\n\
         gantry {}; docker {} ({theirs}, {}); podman {} ({podmans}, {}).\n",
        field("/proc/cpuinfo", "model name").unwrap_or_else(|_| env::consts::ARCH.to_owned()),
        memory / f64::from(1 << 20),
        kernel.trim(),
        ask(gantry, &server)?,
        ask(docker, &server)?,
        ask(docker, &["info", "--format", "{{.DefaultRuntime}}"])?,
        ask(podman, &["version", "--format", "{{.Client.Version}}"])?,
        ask(podman, &runtime)?,
    ))
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
