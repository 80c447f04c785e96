//! What can go wrong with images.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Digest, ImageId, InvalidDigest, InvalidReference, Platform};

/// The kind of a failure, for whoever maps it to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing asked for is not there.
    NotFound,
    /// It can't be done as things are.
    Conflict,
    /// What was asked or sent makes no sense.
    InvalidInput,
    /// The other side wants other credentials.
    Unauthorized,
    /// The other side doesn't answer as it should.
    Unavailable,
    /// Our own trouble.
    Internal,
}

/// A failure; `Display` is what a person reads, in dockerd's words where it has words.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image by that name or id.
    #[error("No such image: {0}")]
    NotFound(String),
    /// Not a reference.
    #[error(transparent)]
    InvalidReference(#[from] InvalidReference),
    /// Not a digest.
    #[error(transparent)]
    InvalidDigest(#[from] InvalidDigest),
    /// A tag can't be set on a reference with a digest.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// An option or a `--change` that can't be.
    #[error("{0}")]
    InvalidInput(String),

    /// The last name of an image that a container uses.
    #[error(
        "conflict: unable to remove repository reference {reference:?} (must force) - container {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// As the caller wrote it.
        reference: String,
        /// Short id.
        container: String,
        /// Short id.
        image: String,
    },
    /// An image that something holds.
    #[error(
        "conflict: unable to delete {image} ({}) - {reason}", if *.hard { "cannot be forced" } else { "must be forced" }
    )]
    InUse {
        /// Short id.
        image: String,
        /// Whether force would not help.
        hard: bool,
        /// By what.
        reason: InUseReason,
    },

    /// The registry has no such tag or digest.
    #[error("manifest for {reference} not found: {detail}")]
    ManifestUnknown {
        /// Familiar reference.
        reference: String,
        /// The registry's words.
        detail: String,
    },
    /// The registry has no such repository.
    #[error("repository {name} not found: {detail}")]
    RepositoryUnknown {
        /// Familiar name.
        name: String,
        /// The registry's words.
        detail: String,
    },
    /// The registry won't let us.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {detail}"
    )]
    AccessDenied {
        /// Familiar name.
        name: String,
        /// The registry's words.
        detail: String,
    },
    /// Credentials missing or wrong.
    #[error("{detail}")]
    Unauthorized {
        /// What was said.
        detail: String,
    },
    /// The registry asks us to slow down.
    #[error("toomanyrequests: {detail}")]
    TooManyRequests {
        /// The registry's words.
        detail: String,
    },
    /// The registry could not be reached.
    #[error("Get \"{url}\": {detail}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The chain of causes.
        detail: String,
    },
    /// The registry stopped sending.
    #[error("registry {registry} sent nothing for {} s", .limit.as_secs())]
    Stalled {
        /// Registry.
        registry: String,
        /// How long we waited.
        limit: Duration,
    },
    /// The registry is in trouble itself.
    #[error("registry {registry}: received unexpected HTTP status: {status}")]
    Failing {
        /// Registry.
        registry: String,
        /// Code and words, `502 Bad Gateway`.
        status: String,
    },
    /// An answer outside the protocol.
    #[error("registry {registry}: {detail}")]
    Registry {
        /// Registry.
        registry: String,
        /// What it did.
        detail: String,
    },
    /// A manifest of the first schema.
    #[error(
        "{reference} has a Docker image manifest version 2, schema 1, which is no longer supported: push the image again with a current tool, or ask its author to"
    )]
    Schema1 {
        /// Familiar reference.
        reference: String,
    },
    /// A list without our platform.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoPlatform {
        /// The one wanted.
        platform: Platform,
    },
    /// A single image for another platform than asked for.
    #[error(
        "image with reference {reference} was found but its platform ({found}) does not match the specified platform ({wanted})"
    )]
    WrongPlatform {
        /// Familiar reference.
        reference: String,
        /// Asked for.
        wanted: Box<Platform>,
        /// The image's.
        found: Box<Platform>,
    },

    /// Content that isn't what its name says.
    #[error("{what}: digest does not match: expected {expected}, got {actual}")]
    DigestMismatch {
        /// Layer, manifest, config, …
        what: &'static str,
        /// The one promised.
        expected: Digest,
        /// The one found.
        actual: Digest,
    },
    /// Content longer or shorter than promised.
    #[error("{what} {digest}: size does not match: expected {expected} bytes, got {actual}")]
    SizeMismatch {
        /// Layer, config, …
        what: &'static str,
        /// Which.
        digest: Digest,
        /// Promised.
        expected: u64,
        /// Found (at least).
        actual: u64,
    },
    /// Something past its bound.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its bound in bytes.
        limit: u64,
    },
    /// A manifest, config or archive that can't be read.
    #[error("{what}: {detail}")]
    Malformed {
        /// What.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// A layer that can't be unpacked.
    #[error("failed to register layer: {0}")]
    Layer(#[from] LayerError),

    /// The store's own files.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The reader or writer that the caller handed over.
    #[error("{doing}: {source}")]
    Stream {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another engine has the store open.
    #[error("the image store {} is in use by another engine", .path.display())]
    StoreInUse {
        /// The store's root.
        path: PathBuf,
    },
    /// A layer that a crash left doubtful, and that can't be unpacked again as things are.
    #[error("unpacking layer {layer} again, which a crash left unfinished: {source}")]
    Repair {
        /// Its diff id.
        layer: Digest,
        /// Why not.
        source: Box<ImageError>,
    },
    /// The database.
    #[error("image database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A database from a newer program.
    #[error(
        "image database has version {found}, this program knows {known}: use a newer version of it"
    )]
    NewerDatabase {
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A layer that several jobs waited for failed in the job that fetched it.
    #[error("{0}")]
    Shared(std::sync::Arc<ImageError>),
    /// A worker thread ended without an answer.
    #[error("the job was interrupted")]
    Interrupted,
}

/// What keeps an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InUseReason {
    /// A running container.
    #[error("image is being used by running container {0}")]
    Running(String),
    /// A stopped container.
    #[error("image is being used by stopped container {0}")]
    Stopped(String),
    /// Several names.
    #[error("image is referenced in multiple repositories")]
    Referenced,
}

/// A layer's tar that can't be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Not a tar, or a broken one.
    #[error("invalid tar: {0}")]
    Malformed(&'static str),
    /// An entry that would end outside of the layer.
    #[error("invalid tar: entry {name:?} leads out of the layer")]
    Escapes {
        /// The entry.
        name: String,
    },
    /// A hard link to what isn't there.
    #[error("invalid tar: hard link {name:?} to {target:?}, which is not in the layer")]
    MissingTarget {
        /// The link.
        name: String,
        /// Its target.
        target: String,
    },
    /// Past a bound on names, counts or headers.
    #[error("invalid tar: {what} is more than {limit}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The kernel refused.
    #[error("{doing} {name:?}: {source}")]
    Entry {
        /// What was being done.
        doing: &'static str,
        /// The entry.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The compressed stream.
    #[error("{0}")]
    Stream(std::io::Error),
    /// Unpacking stops before the disk is full, for the containers' sake.
    #[error("no space left on device")]
    NoSpace,
}

impl LayerError {
    /// Of a stream that is read, or of a disk that is written.
    pub(crate) fn stream(error: std::io::Error) -> LayerError {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                LayerError::NoSpace
            }
            _ => LayerError::Stream(error),
        }
    }
}

impl ImageError {
    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        use ImageError as E;
        match self {
            E::NotFound(_)
            | E::ManifestUnknown { .. }
            | E::RepositoryUnknown { .. }
            | E::AccessDenied { .. }
            | E::NoPlatform { .. }
            | E::WrongPlatform { .. } => ErrorKind::NotFound,
            E::ReferenceInUse { .. } | E::InUse { .. } | E::StoreInUse { .. } => {
                ErrorKind::Conflict
            }
            E::InvalidReference(_)
            | E::InvalidDigest(_)
            | E::TagWithDigest
            | E::InvalidInput(_)
            | E::Schema1 { .. } => ErrorKind::InvalidInput,
            E::Unauthorized { .. } => ErrorKind::Unauthorized,
            E::TooManyRequests { .. }
            | E::Unreachable { .. }
            | E::Stalled { .. }
            | E::Failing { .. }
            | E::Registry { .. } => ErrorKind::Unavailable,
            E::Shared(inner) => inner.kind(),
            E::DigestMismatch { .. }
            | E::SizeMismatch { .. }
            | E::TooLarge { .. }
            | E::Malformed { .. }
            | E::Layer(_)
            | E::Io { .. }
            | E::Stream { .. }
            | E::Repair { .. }
            | E::Database(_)
            | E::NewerDatabase { .. }
            | E::Interrupted => ErrorKind::Internal,
        }
    }

    /// Of the machine or the program: another registry, or another copy of the content, would not help.
    pub(crate) fn is_our_own(&self) -> bool {
        match self {
            ImageError::Shared(error) => error.is_our_own(),
            ImageError::Layer(LayerError::NoSpace)
            | ImageError::Io { .. }
            | ImageError::Database(_)
            | ImageError::Interrupted => true,
            _ => false,
        }
    }

    pub(crate) fn in_use(id: &ImageId, hard: bool, reason: InUseReason) -> ImageError {
        ImageError::InUse {
            image: id.short(),
            hard,
            reason,
        }
    }
}

/// Says what was done to which path when the kernel refuses.
pub(crate) trait IoContext<T> {
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, ImageError>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for Result<T, E> {
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, ImageError> {
        self.map_err(|source| ImageError::Io {
            doing,
            path: path.into(),
            source: source.into(),
        })
    }
}
