//! `/proc/meminfo`.

use std::io;

/// Bytes of memory.
pub fn memory() -> io::Result<u64> {
    let told = std::fs::read_to_string("/proc/meminfo")?;
    told.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .and_then(|kilobytes| kilobytes.checked_mul(1024))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no MemTotal in /proc/meminfo"))
}
