//! QEMU: Linux with KVM, macOS with HVF, Windows with WHPX, and anywhere without help (TCG).
//!
//! QEMU puts itself into the background once it is ready (`-daemonize`), so its start is an event with an error text,
//! and it lives on when the host process dies. Its end is seen by its monitor's connection.

pub mod command;
pub mod probe;
pub mod share;
#[cfg(unix)]
mod vm;

#[cfg(unix)]
pub use vm::{Qemu, QemuVm};

use serde::{Deserialize, Serialize};

/// What helps the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// Linux' own.
    Kvm,
    /// macOS' Hypervisor framework.
    Hvf,
    /// Windows' Hypervisor Platform.
    Whpx,
    /// Nothing: QEMU translates.
    Tcg,
}

impl Accelerator {
    /// Its name, as QEMU knows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Hvf => "hvf",
            Accelerator::Whpx => "whpx",
            Accelerator::Tcg => "tcg",
        }
    }

    /// The one of this system that is worth a try.
    pub const fn native() -> Accelerator {
        if cfg!(target_os = "linux") {
            Accelerator::Kvm
        } else if cfg!(target_os = "macos") {
            Accelerator::Hvf
        } else if cfg!(windows) {
            Accelerator::Whpx
        } else {
            Accelerator::Tcg
        }
    }
}

/// The program for guests of this host's architecture.
pub fn program(arch: &str) -> String {
    format!("qemu-system-{arch}")
}
