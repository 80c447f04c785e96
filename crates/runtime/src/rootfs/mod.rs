//! The overlay root of a container: mount, unmount, size, tidying after a crash.
//!
//! A container's folder holds `upper/` (what it wrote), `work/` (the kernel's own) and `merged/` (the root it sees).
//! Everything here is idempotent: mounting what is mounted and unmounting what isn't are no errors, so that a start
//! after a crash can simply do it again. All calls block; run them off the reactor.
//!
//! Not for: bind mounts and tmpfs inside the container, which the OCI runtime makes in the container's own namespace.

mod mounts;
mod overlay;
mod size;

#[cfg(test)]
mod tests;

pub(crate) use mounts::unescape;
pub use mounts::{is_mounted, mounted_below, unmount, unmount_below};
pub use overlay::{Overlay, mount};
pub use size::{Size, size};

use std::io;
use std::path::PathBuf;

/// What went wrong with a container's root.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A folder that the mount needs could not be made.
    #[error("cannot make {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A layer of the image is not there or is no folder.
    #[error("the image layer {} cannot be used: {source}", path.display())]
    Layer {
        /// The unpacked layer.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refused the overlay.
    #[error("cannot mount an overlay of {layers} layers at {} ({step}): {source}", path.display())]
    Mount {
        /// Where it should have appeared.
        path: PathBuf,
        /// How many layers it had.
        layers: usize,
        /// Which step of mounting failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused to unmount.
    #[error("cannot unmount {}: {source}", path.display())]
    Unmount {
        /// The mount point.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The table of mounts or a folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
