//! Process 1 of the machine: from the kernel's first breath to a running engine, and back to power off.

use std::process::ExitCode;

/// Brings the machine up and keeps it up; returns only where it isn't process 1.
pub fn run() -> ExitCode {
    eprintln!("gantry: init runs as process 1 of a machine only");
    ExitCode::from(2)
}
