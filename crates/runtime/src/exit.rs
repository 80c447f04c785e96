//! How a container ended, on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Dirs;

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The first process' code; 128 + signal where a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed a process of the container for want of memory.
    pub oom_killed: bool,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub finished_at: OffsetDateTime,
    /// What went wrong besides, e.g. that the shim itself was killed.
    pub error: Option<String>,
}

impl Exit {
    /// Reads how the container of these folders ended, where that has been written.
    ///
    /// # Errors
    /// When the file is there but can't be read.
    pub fn read(dirs: &Dirs) -> io::Result<Option<Exit>> {
        for path in [dirs.exit_json(), dirs.spare_exit_json()] {
            match fs::read(&path) {
                Ok(json) => return Ok(Some(serde_json::from_slice(&json)?)),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Writes it so that it is there whole or not at all, even after a power cut; on a full disk to the state folder,
    /// which lasts until a reboot.
    pub(crate) fn write(&self, dirs: &Dirs) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        write_whole(&dirs.exit_json(), &json)
            .or_else(|_| write_whole(&dirs.spare_exit_json(), &json))
    }

    /// Removes what an earlier run of the container has written.
    pub(crate) fn forget(dirs: &Dirs) -> io::Result<()> {
        for path in [dirs.exit_json(), dirs.spare_exit_json()] {
            match fs::remove_file(&path) {
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
        return written;
    }
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(root: &Path) -> Dirs {
        Dirs {
            state: root.join("state"),
            data: root.join("data"),
        }
    }

    #[test]
    fn an_exit_comes_back_and_can_be_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let dirs = dirs(root.path());
        fs::create_dir(&dirs.data).unwrap();
        let exit = Exit {
            code: 137,
            signal: Some(9),
            oom_killed: true,
            finished_at: OffsetDateTime::now_utc(),
            error: None,
        };
        assert_eq!(Exit::read(&dirs).unwrap(), None);
        exit.write(&dirs).unwrap();
        assert_eq!(Exit::read(&dirs).unwrap(), Some(exit));
        Exit::forget(&dirs).unwrap();
        assert_eq!(Exit::read(&dirs).unwrap(), None);
    }

    #[test]
    fn the_state_folder_takes_what_the_data_folder_cannot() {
        let root = tempfile::tempdir().unwrap();
        let dirs = dirs(root.path());
        fs::create_dir(&dirs.state).unwrap();
        let exit = Exit {
            code: 0,
            signal: None,
            oom_killed: false,
            finished_at: OffsetDateTime::now_utc(),
            error: None,
        };
        exit.write(&dirs).unwrap();
        dirs.forget_state();
        assert_eq!(Exit::read(&dirs).unwrap(), Some(exit));
    }
}
