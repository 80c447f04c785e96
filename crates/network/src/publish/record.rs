//! The file by which a proxy is found again: `<exec-root>/proxy/<id>`.
//!
//! ```text
//! {"pid":4711,"target":"172.17.0.2","ports":[…]}
//! follows 4720
//! ```
//! The proxy holds its lock (`flock`) for as long as it lives, so a locked record's pid is never someone else's. The
//! first line is there before the lock is handed over, the second before the proxy is told to outlive the engine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::PortBinding;

/// A record is read to this many bytes; the largest possible one is smaller.
const MAX_RECORD: u64 = 4 * 1024 * 1024;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pid: i32,
    /// The container's address.
    pub(super) target: Ipv4Addr,
    pub(super) ports: Vec<PortBinding>,
}

/// A proxy found alive.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: Record,
    /// The process it outlives the engine for.
    pub(super) follows: Option<i32>,
    pub(super) pidfd: OwnedFd,
}

/// Makes an empty record and takes its lock. One that a dead proxy left is taken over.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.set_len(0)?;
    Ok(file)
}

/// Writes the first line.
pub(super) fn write(mut file: &File, record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Writes the second line.
pub(super) fn write_follows(path: &Path, pid: i32) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(format!("follows {pid}\n").as_bytes())
}

/// The living proxy a record tells of; `None` when there is none.
pub(super) fn find(path: &Path) -> io::Result<Option<Found>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !is_locked(&file)? {
        return Ok(None);
    }
    let mut text = String::new();
    (&file).take(MAX_RECORD).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let record: Record = serde_json::from_str(lines.next().unwrap_or_default())?;
    let follows = lines
        .next()
        .and_then(|line| line.strip_prefix("follows ")?.parse().ok());
    match open_process(record.pid) {
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno.into()),
        // Still locked: the process that was opened is the lock's holder, and no later one with its number.
        Ok(pidfd) if is_locked(&file)? => Ok(Some(Found {
            record,
            follows,
            pidfd,
        })),
        Ok(_) => Ok(None),
    }
}

/// Opens a process; numbers that are no process's are `EINVAL`, which rustix would take for our own mistake.
pub(super) fn open_process(pid: i32) -> Result<OwnedFd, Errno> {
    let pid = Some(pid)
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw)
        .ok_or(Errno::INVAL)?;
    pidfd_open(pid, PidfdFlags::empty())
}

fn is_locked(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            flock(file, FlockOperation::Unlock)?;
            Ok(false)
        }
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locked_record_is_a_living_proxy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(find(&path).unwrap().is_none());
        let file = create(&path).unwrap();
        let pid = std::process::id().cast_signed();
        write(
            &file,
            &Record {
                pid,
                target: Ipv4Addr::LOCALHOST,
                ports: Vec::new(),
            },
        )
        .unwrap();
        let found = find(&path).unwrap().unwrap();
        assert_eq!((found.record.pid, found.follows), (pid, None));
        write_follows(&path, 77).unwrap();
        assert_eq!(find(&path).unwrap().unwrap().follows, Some(77));
        drop(file);
        assert!(find(&path).unwrap().is_none());
    }

    #[test]
    fn a_spoilt_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = create(&path).unwrap();
        assert!(find(&path).is_err());
        write(
            &file,
            &Record {
                pid: -1,
                target: Ipv4Addr::LOCALHOST,
                ports: Vec::new(),
            },
        )
        .unwrap();
        assert!(find(&path).is_err());
    }
}
