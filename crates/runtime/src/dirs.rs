//! Where a container's files are.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

/// The two folders of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirs {
    /// `<exec-root>/containers/<id>`: gone after a reboot.
    pub state: PathBuf,
    /// `<data-root>/containers/<id>`: kept.
    pub data: PathBuf,
}

impl Dirs {
    /// The shim's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("shim.sock")
    }

    /// What the shim is to run.
    #[must_use]
    pub fn shim_json(&self) -> PathBuf {
        self.state.join("shim.json")
    }

    /// The OCI specification: `state` is the bundle.
    #[must_use]
    pub fn config_json(&self) -> PathBuf {
        self.state.join("config.json")
    }

    /// The system call policy, where the builtin runtime is to apply it.
    pub(crate) fn filter_json(&self) -> PathBuf {
        self.state.join("filter.json")
    }

    /// State of the OCI runtime.
    #[must_use]
    pub fn runtime_root(&self) -> PathBuf {
        self.state.join("rt")
    }

    /// How the container ended; written by the shim before it tells anyone.
    #[must_use]
    pub fn exit_json(&self) -> PathBuf {
        self.data.join("exit.json")
    }

    /// A place for the exit where the data folder can't take it (a full disk).
    pub(crate) fn spare_exit_json(&self) -> PathBuf {
        self.state.join("exit.json")
    }

    /// Removes what a shim no longer needs; a spare exit stays. What can't be removed now is removed at the next
    /// start.
    pub(crate) fn forget_state(&self) {
        let spare = self.spare_exit_json();
        for entry in std::fs::read_dir(&self.state)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path == spare {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
        }
        let _ = std::fs::remove_dir(&self.state);
    }

    /// The socket's address, however deep the folder is: an address has room for 107 bytes only. Valid as long as the
    /// descriptor is open.
    pub(crate) fn short_socket(&self) -> io::Result<(OwnedFd, PathBuf)> {
        let folder = rustix::fs::open(
            &self.state,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/shim.sock", folder.as_raw_fd()));
        Ok((folder, path))
    }
}
