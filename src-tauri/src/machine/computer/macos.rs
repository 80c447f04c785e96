//! `sysctl`.

use std::io;
use std::process::Command;

/// Bytes of memory.
pub fn memory() -> io::Result<u64> {
    let output = Command::new("/usr/sbin/sysctl")
        .args(["-n", "hw.memsize"])
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("sysctl hw.memsize: {told}{said}"),
        )
    })
}
