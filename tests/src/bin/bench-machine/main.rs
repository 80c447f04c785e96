//! Measures what a virtual machine costs: its boot beside the same QEMU with Debian's own initramfs, the memory and the
//! disk that it gives back, and the tunnel beside QEMU's own port forwarding. Prints a Markdown table.
//!
//! `bench-machine DEBIAN-INITRD`: an initramfs that Debian made for the guest's kernel; see `scripts/bench-machine`.

mod boot;
mod disk;
mod memory;
mod transfer;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use gantry_tests::{Machine, busybox};

/// Rows of the result: what, and how much.
#[derive(Default)]
pub struct Figures(Vec<(&'static str, String)>);

impl Figures {
    /// Adds one, and says it at once.
    pub fn add(&mut self, what: &'static str, value: String) {
        eprintln!("{what}: {value}");
        self.0.push((what, value));
    }
}

fn main() -> Result<()> {
    let debian: PathBuf = std::env::args_os()
        .nth(1)
        .context("say where Debian's initramfs is: use `make bench-machine`")?
        .into();
    ensure!(debian.is_file(), "{} is no file", debian.display());
    let mut figures = Figures::default();
    boot::measure(&mut figures, &debian)?;

    // Memory for a workload of 1 GiB.
    let machine = Machine::with_memory(2048);
    machine.load(&busybox(), "busybox:latest");
    memory::measure(&mut figures, &machine)?;
    disk::measure(&mut figures, &machine)?;
    transfer::measure(&mut figures, &machine)?;

    println!("| what | figure |\n|---|---:|");
    for (what, value) in figures.0 {
        println!("| {what} | {value} |");
    }
    Ok(())
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
