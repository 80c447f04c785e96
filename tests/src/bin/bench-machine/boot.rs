//! From QEMU's start to the engine's first answer, and to the first program of Debian's initramfs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gantry_machine::backend::qemu::{Accelerator, command};
use gantry_machine::{Home, MachineName, Spec, image};
use gantry_tests::Machine;
use rustix::process::{Pid, Signal, kill_process};

use crate::{Figures, median};

const ROUNDS: usize = 5;
/// What Debian's initramfs says when it is told to stop at its first step.
const FIRST_WORDS: &str = "Spawning shell";

/// In turn, so that what disturbs this computer disturbs both.
pub fn measure(figures: &mut Figures, debian: &Path) -> Result<()> {
    let machine = Machine::with_memory(1024);
    // The first start formats the disk.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        machine.stop();
        let began = Instant::now();
        machine.start_again();
        ours.push(began.elapsed().as_secs_f64());
        machine.stop();
        theirs.push(debian_boot(debian)?.as_secs_f64());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    figures.add(
        "`gantry machine start` of a stopped machine, until the engine has answered",
        format!("{ours:.2} s"),
    );
    figures.add(
        "the same QEMU, kernel and devices with Debian's initramfs, until its first program",
        format!("{theirs:.2} s"),
    );
    figures.add("ratio (at most 1)", format!("{:.2}", ours / theirs));
    Ok(())
}

/// The machine's own command line with another initramfs, which is told to go no further than its first step.
fn debian_boot(initrd: &Path) -> Result<Duration> {
    let folder = tempfile::Builder::new().prefix("gantry-bench.").tempdir()?;
    let home = Home::new(folder.path().join("d"), folder.path().join("r"));
    let name = MachineName::default();
    let paths = home.machine(&name)?;
    for file in [paths.disk(), paths.qmp_socket()] {
        fs::create_dir_all(file.parent().context("a path without a folder")?)?;
    }
    fs::File::create(paths.disk())?.set_len(1 << 30)?;
    let mut spec = Spec::defaults(name, 2, 4 << 30);
    spec.memory = 1 << 30;
    spec.shares.clear();
    let found = image::find(&home.verified())?;
    let image = image::GuestImage {
        initrd: initrd.to_owned(),
        ..found
    };
    let facts = command::Found {
        arch: std::env::consts::ARCH,
        accelerator: Accelerator::Tcg,
        memfd: true,
        shares: 0,
    };
    let mut words = command::command_line(&spec, &paths, &image, &facts)?;
    let append = words
        .iter()
        .position(|word| word == "-append")
        .context("no -append")?
        + 1;
    words[append].push(" break=top");
    let pid_file = folder.path().join("pid");
    let began = Instant::now();
    let started = Command::new("qemu-system-x86_64")
        .args(&words)
        .arg("-pidfile")
        .arg(&pid_file)
        .output()?;
    ensure!(
        started.status.success(),
        "QEMU: {}",
        String::from_utf8_lossy(&started.stderr)
    );
    let console = paths.console();
    let took = loop {
        let said = fs::read(&console).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains(FIRST_WORDS) {
            break began.elapsed();
        }
        if began.elapsed() > Duration::from_secs(120) {
            bail!(
                "Debian's initramfs says nothing: {}",
                String::from_utf8_lossy(&said)
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let pid: i32 = fs::read_to_string(&pid_file)?.trim().parse()?;
    kill_process(Pid::from_raw(pid).context("a process id")?, Signal::KILL)?;
    Ok(took)
}
