//! What the guest and its QEMU hold, idle and after work.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gantry_tests::Machine;

use crate::Figures;

/// How long it is watched for memory that comes back.
const WATCHED: Duration = Duration::from_secs(60);

pub fn measure(figures: &mut Figures, machine: &Machine) -> Result<()> {
    let idle = settled(machine)?;
    let guest = machine.docker(&[
        "run",
        "--rm",
        "busybox",
        "awk",
        "/MemTotal/{t=$2} /MemAvailable/{a=$2} END{print int((t-a)/1024)}",
        "/proc/meminfo",
    ]);
    figures.add(
        "memory used in the idle guest (with the container that asks)",
        format!("{} MiB", guest.ok()),
    );
    figures.add("memory of the idle machine's QEMU on the host", mib(idle));
    machine
        .docker(&["run", "-d", "--name", "work", "--shm-size", "1200m", "busybox", "sh", "-c",
            "dd if=/dev/zero of=/dev/shm/f bs=1M count=1024 2>/dev/null && touch /done && exec sleep 1000"])
        .ok();
    gantry_tests::until_true("the workload should have its memory", || {
        machine
            .docker(&["exec", "work", "test", "-e", "/done"])
            .code
            == 0
    });
    figures.add("… while a container holds 1 GiB", mib(resident(machine)?));
    machine.docker(&["rm", "-f", "work"]).ok();
    let began = Instant::now();
    let after = settled(machine)?;
    figures.add("… after that container's end", mib(after));
    eprintln!("watched for {:?}", began.elapsed());
    Ok(())
}

/// The least it holds until that hasn't fallen for ten seconds.
fn settled(machine: &Machine) -> Result<u64> {
    let began = Instant::now();
    let (mut least, mut since) = (resident(machine)?, Instant::now());
    while began.elapsed() < WATCHED && since.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(500));
        let now = resident(machine)?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

/// Bytes that the machine's QEMU holds.
fn resident(machine: &Machine) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", machine.vm()))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    let kib: u64 = line
        .split_ascii_whitespace()
        .nth(1)
        .context("no number")?
        .parse()?;
    Ok(kib * 1024)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
