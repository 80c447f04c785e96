//! What can go wrong while copying.

use std::io;
use std::path::PathBuf;

/// A failure of copying in or out of a container. Paths are the container's own.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No such path in the container.
    #[error("Could not find the file {} in container {container}", path.display())]
    NoSuchPath {
        /// The path asked for.
        path: PathBuf,
        /// The container as it was named.
        container: String,
    },
    /// Content can only be put into a folder.
    #[error("extraction point is not a directory")]
    NotAFolder,
    /// The container was created with `--read-only`.
    #[error("container rootfs is marked read-only")]
    ReadOnlyRoot,
    /// The path lies on a mount that the container can't write to either.
    #[error("mounted volume is marked read-only")]
    ReadOnlyMount,
    /// `noOverwriteDirNonDir`, and a folder is in the way of a file.
    #[error("cannot overwrite directory {:?} with non-directory {:?}", path, path)]
    FolderInTheWay {
        /// Where.
        path: PathBuf,
    },
    /// `noOverwriteDirNonDir`, and a file is in the way of a folder.
    #[error("cannot overwrite non-directory {:?} with directory {:?}", path, path)]
    FileInTheWay {
        /// Where.
        path: PathBuf,
    },
    /// The content is no tar, or one outside our bounds.
    #[error("invalid tar archive: {0}")]
    Tar(String),
    /// Deeper than [`super::walk::DEPTH`] folders.
    #[error("folders are nested more than {depth} deep at {:?}", path)]
    TooDeep {
        /// Where.
        path: PathBuf,
        /// The bound.
        depth: usize,
    },
    /// The kernel refused.
    #[error("{what} {:?}: {source}", path)]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The container's root can't be put together.
    #[error(transparent)]
    Rootfs(#[from] gantry_runtime::rootfs::RootfsError),
}

impl ArchiveError {
    /// Whether it says that something isn't there.
    pub fn is_missing(&self) -> bool {
        match self {
            ArchiveError::NoSuchPath { .. } => true,
            // A file in the middle of a path is as good as nothing there.
            ArchiveError::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
            _ => false,
        }
    }
}

/// Names what was tried, and with what, on the way out.
pub(crate) trait At<T> {
    /// Turns a failure into [`ArchiveError::Io`].
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, ArchiveError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, ArchiveError> {
        self.map_err(|source| ArchiveError::Io {
            what,
            path: path.into(),
            source: source.into(),
        })
    }
}
