//! Block I/O of a group.

use std::path::Path;

use super::flat::{keyed, read};

/// How much of one kind of operation went to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCount {
    /// Device number.
    pub major: u64,
    /// Device number.
    pub minor: u64,
    /// `read`, `write` and, on v1, the kernel's other words in lower case.
    pub operation: String,
    /// Bytes or operations.
    pub value: u64,
}

/// `blkio.*_recursive`: `8:0 Read 4096` a line, and a total.
pub(super) fn parse_v1(text: &str) -> Vec<BlockCount> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (major, minor) = words.next()?.split_once(':')?;
            Some(BlockCount {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
                operation: words.next()?.to_ascii_lowercase(),
                value: words.next()?.parse().ok()?,
            })
        })
        .collect()
}

/// `io.stat`: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` a line. First bytes, then operations.
pub(super) fn parse_v2(text: &str) -> (Vec<BlockCount>, Vec<BlockCount>) {
    let (mut bytes, mut operations) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
            continue;
        };
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            let (list, operation) = match name {
                "rbytes" => (&mut bytes, "read"),
                "wbytes" => (&mut bytes, "write"),
                "rios" => (&mut operations, "read"),
                "wios" => (&mut operations, "write"),
                _ => continue,
            };
            list.push(BlockCount {
                major,
                minor,
                operation: operation.to_owned(),
                value,
            });
        }
    }
    (bytes, operations)
}

/// The bytes that these processes, and the children that they have waited for, had read from and written to disks:
/// `/proc/<pid>/io`, which knows no devices (proc_pid_io(5)).
pub(super) fn of_processes(pids: &[u32]) -> Vec<BlockCount> {
    let (mut bytes_read, mut written) = (0u64, 0u64);
    for pid in pids {
        // One that has ended meanwhile has told its counts to its parent.
        let text = read(&Path::new("/proc").join(pid.to_string()).join("io")).unwrap_or_default();
        let counts = keyed(&text.replace(':', ""));
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        bytes_read = bytes_read.saturating_add(count("read_bytes"));
        // What was deleted before it came to a disk was told as written.
        let kept = count("write_bytes").saturating_sub(count("cancelled_write_bytes"));
        written = written.saturating_add(kept);
    }
    [("read", bytes_read), ("write", written)]
        .into_iter()
        .filter(|(_, value)| *value > 0)
        .map(|(operation, value)| BlockCount {
            major: 0,
            minor: 0,
            operation: operation.to_owned(),
            value,
        })
        .collect()
}
