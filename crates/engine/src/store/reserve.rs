//! A file that holds back some disk, given up when the disk is full.
//!
//! On a full disk the database could not even note that a container was stopped or removed, which is just what a person
//! would do to get space back. So the engine keeps [`SIZE`] bytes in a file, frees them when less than `LOW` is left,
//! and takes them again when there is room.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

/// What is held back, in bytes.
pub const SIZE: u64 = 8 << 20;
/// When less than this is free, the reserve is given up.
const LOW: u64 = 2 << 20;
/// The reserve is only taken when this much stays free.
const ROOM: u64 = 64 << 20;

/// The reserve of one data root.
#[derive(Debug, Clone)]
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve below `data_root`, taken or not.
    pub fn of(data_root: &Path) -> Reserve {
        Reserve {
            path: data_root.join("gantry.reserve"),
        }
    }

    /// Gives the reserve up when the disk is nearly full, takes it again when there is room.
    pub fn keep(&self) -> io::Result<()> {
        let file = self.file()?;
        let held = file.metadata()?.len() >= SIZE;
        let disk = fstatvfs(&file)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if held && free < LOW {
            self.release()
        } else if !held && free > SIZE + ROOM {
            fallocate(&file, FallocateFlags::empty(), 0, SIZE)?;
            Ok(())
        } else {
            Ok(())
        }
    }

    /// Gives the reserve up.
    pub fn release(&self) -> io::Result<()> {
        self.file()?.set_len(0)
    }

    fn file(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_once_and_given_up_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        reserve.keep().unwrap();
        let size = || {
            std::fs::metadata(dir.path().join("gantry.reserve"))
                .unwrap()
                .len()
        };
        assert_eq!(size(), SIZE);
        reserve.release().unwrap();
        assert_eq!(size(), 0);
        reserve.keep().unwrap();
        assert_eq!(size(), SIZE);
    }
}
