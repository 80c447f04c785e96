//! What this computer has: the most that a machine can be given.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux::memory;
#[cfg(target_os = "macos")]
use macos::memory;
#[cfg(windows)]
use windows::memory;

/// What is taken for a computer that doesn't tell its memory: what every one of today has.
const UNTOLD: u64 = 8 << 30;

/// What this computer has.
#[derive(Debug, Clone, Copy)]
pub struct Computer {
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
}

impl Computer {
    /// This one. Blocks for a moment.
    pub fn this() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        Self {
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            memory: memory().unwrap_or_else(|error| {
                tracing::warn!(%error, "this computer's memory isn't told");
                UNTOLD
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_tells_its_memory() {
        let memory = memory().expect("told");
        assert!((64 << 20..1 << 50).contains(&memory), "{memory}");
        assert!(Computer::this().cpus >= 1);
    }
}
