//! Where a container's files are.

use std::path::PathBuf;

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
}
