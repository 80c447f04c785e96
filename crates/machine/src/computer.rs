//! What this computer has to give.

use std::thread::available_parallelism;

use crate::spec::GIB;

/// Assumed where a system doesn't tell.
const UNKNOWN: u64 = 8 * GIB;

/// Processors that programs may use.
pub fn cpus() -> u32 {
    available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// Memory in bytes.
pub fn memory() -> u64 {
    told().filter(|bytes| *bytes > 0).unwrap_or(UNKNOWN)
}

#[cfg(target_os = "linux")]
fn told() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = told.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(target_os = "macos")]
fn told() -> Option<u64> {
    asked("/usr/sbin/sysctl", &["-n", "hw.memsize"])
}

#[cfg(windows)]
fn told() -> Option<u64> {
    let question = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory";
    asked(
        "powershell.exe",
        &["-NoProfile", "-NonInteractive", "-Command", question],
    )
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn told() -> Option<u64> {
    None
}

#[cfg(any(target_os = "macos", windows))]
fn asked(program: &str, arguments: &[&str]) -> Option<u64> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_has_something_to_give() {
        assert!(cpus() >= 1);
        assert!(memory() > 64 * 1024 * 1024);
    }
}
