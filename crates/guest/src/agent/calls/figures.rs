//! How the guest is doing.

use std::io;
use std::path::Path;

use gantry_tunnel::agent::Figures;
use rustix::fs::statvfs;

pub fn read(data: &Path) -> io::Result<Figures> {
    let disk = statvfs(data)?;
    let memory = Memory::read()?;
    let numbers = |path: &str| -> io::Result<Vec<f64>> {
        let text = std::fs::read_to_string(path)?;
        Ok(text
            .split_ascii_whitespace()
            .map_while(|word| word.parse().ok())
            .collect())
    };
    let (load, uptime) = (numbers("/proc/loadavg")?, numbers("/proc/uptime")?);
    Ok(Figures {
        memory_total: memory.total,
        memory_available: memory.available,
        memory_free: memory.free,
        disk_total: disk.f_blocks.saturating_mul(disk.f_frsize),
        disk_available: disk.f_bavail.saturating_mul(disk.f_frsize),
        load: std::array::from_fn(|at| load.get(at).copied().unwrap_or_default()),
        uptime_seconds: uptime.first().copied().unwrap_or_default(),
    })
}

/// What the kernel says of its memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
    pub available: u64,
    /// Files in memory, that could be read again.
    pub cached: u64,
    /// Files in memory that are nowhere else, as in a tmpfs; part of `cached`.
    pub shared: u64,
    /// The kernel's own, that it can do without.
    pub slab: u64,
}

impl Memory {
    pub fn read() -> io::Result<Self> {
        std::fs::read_to_string("/proc/meminfo").map(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let kib = value.split_ascii_whitespace().next();
            let bytes = kib
                .and_then(|kib| kib.parse::<u64>().ok())
                .unwrap_or_default()
                * 1024;
            match name {
                "MemTotal" => memory.total = bytes,
                "MemFree" => memory.free = bytes,
                "MemAvailable" => memory.available = bytes,
                "Cached" => memory.cached = bytes,
                "Shmem" => memory.shared = bytes,
                "SReclaimable" => memory.slab = bytes,
                _ => {}
            }
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:        2014436 kB\nMemFree:          100 kB\nMemAvailable:  200 kB\n\
                    Cached: 50 kB\nSwapCached: 7 kB\nShmem: 10 kB\nSReclaimable:    5 kB\nbroken\nHugePages_Total:       0\n";
        assert_eq!(
            Memory::parse(text),
            Memory {
                total: 2_014_436 * 1024,
                free: 102_400,
                available: 204_800,
                cached: 51_200,
                shared: 10_240,
                slab: 5120,
            }
        );
    }

    #[test]
    fn this_system_has_figures() {
        let figures = read(Path::new("/")).unwrap();
        assert!(figures.memory_total >= figures.memory_available);
        assert!(figures.disk_total >= figures.disk_available);
        assert!(
            figures.memory_free > 0 && figures.uptime_seconds > 0.0,
            "{figures:?}"
        );
    }
}
