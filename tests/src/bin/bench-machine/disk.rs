//! What the machine's disk takes on the host, before and after a prune.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use gantry_tests::Machine;

use crate::Figures;

pub fn measure(figures: &mut Figures, machine: &Machine) -> Result<()> {
    let taken = || -> Result<u64> { Ok(fs::metadata(machine.disk())?.blocks() * 512) };
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    figures.add("the data disk's file", mib(taken()?));
    machine
        .docker(&["run", "--name", "filled", "-v", "full:/v", "busybox", "sh", "-c",
            "dd if=/dev/urandom of=/v/f bs=1M count=512 2>/dev/null; dd if=/dev/urandom of=/f bs=1M count=512 2>/dev/null; sync"])
        .ok();
    figures.add("… with 1 GiB written by a container", mib(taken()?));
    machine.docker(&["container", "prune", "-f"]).ok();
    machine
        .docker(&["volume", "prune", "-f", "--filter", "all=1"])
        .ok();
    let began = Instant::now();
    let (mut least, mut since) = (taken()?, Instant::now());
    while began.elapsed() < Duration::from_secs(90) && since.elapsed() < Duration::from_secs(15) {
        sleep(Duration::from_millis(500));
        let now = taken()?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    figures.add("… after `container prune` and `volume prune`", mib(least));
    Ok(())
}
