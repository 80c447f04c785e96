//! What can go wrong with volumes.

use std::io;
use std::path::PathBuf;

use super::VolumeName;
use crate::archive::ArchiveError;
use crate::store::StoreError;

/// A failure about a volume, in Docker's words where it has words.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// No volume of that name.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// A name outside the grammar.
    #[error(
        "create {0}: {0:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name(String),
    /// A name of one character.
    #[error(
        "create {0}: volume name is too short, names should be at least two alphanumeric characters"
    )]
    ShortName(String),
    /// A name that no file can have.
    #[error("create {}…: volume name is longer than {} bytes", &.0[..16], VolumeName::LONGEST)]
    LongName(String),
    /// Another driver than `local`.
    #[error("error looking up volume plugin {0}: plugin \"{0}\" not found")]
    Driver(String),
    /// An option that the `local` driver doesn't have.
    #[error("create {name}: invalid option: {option:?}")]
    UnknownOption {
        /// The volume.
        name: String,
        /// The option.
        option: String,
    },
    /// An option without which the others make no sense.
    #[error("missing required option: {0:?}")]
    MissingOption(&'static str),
    /// It can't be removed.
    #[error("remove {name}: volume is in use - [{}]", .users.join(", "))]
    InUse {
        /// The volume.
        name: VolumeName,
        /// Ids of the containers.
        users: Vec<String>,
    },
    /// A container is just being made with it.
    #[error("remove {0}: volume is in use by a container that is being created or started")]
    Held(VolumeName),
    /// The kernel doesn't mount what the options say.
    #[error("failed to mount local volume: mount {device}:{}, flags: {options:?}: {source}", path.display())]
    Mount {
        /// The option `device`.
        device: String,
        /// Where.
        path: PathBuf,
        /// The option `o`.
        options: String,
        /// Why not.
        source: io::Error,
    },
    /// The image's content can't be copied into it.
    #[error("failed to populate volume {name}: {source}")]
    Fill {
        /// The volume.
        name: VolumeName,
        /// Why not.
        source: ArchiveError,
    },
    /// The file system says no.
    #[error("volume {name}: can't {what}: {source}")]
    Io {
        /// The volume or file.
        name: String,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VolumeError {
    pub(super) fn io<E: Into<io::Error>>(
        name: impl ToString,
        what: &'static str,
    ) -> impl FnOnce(E) -> VolumeError {
        let name = name.to_string();
        move |source| VolumeError::Io {
            name,
            what,
            source: source.into(),
        }
    }
}
