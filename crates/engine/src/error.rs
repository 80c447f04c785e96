//! What can go wrong, and the one table from kinds of failure to HTTP statuses.
//!
//! The HTTP status is a number here, so that the engine stays free of HTTP types.

use gantry_image::{ErrorKind, ImageError};

use crate::archive::ArchiveError;
use crate::config::ConfigError;
use crate::store::StoreError;
use crate::volumes::VolumeError;

/// A failure as the person who asked needs to know it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong in itself.
    #[error("{0}")]
    InvalidInput(String),
    /// No container, image, volume, exec or network of that name.
    #[error("{0}")]
    NotFound(String),
    /// The state of things forbids it.
    #[error("{0}")]
    Conflict(String),
    /// It is as asked already.
    #[error("{0}")]
    NotModified(String),
    /// It isn't allowed.
    #[error("{0}")]
    Forbidden(String),
    /// This engine doesn't do that.
    #[error("{0}")]
    Unsupported(String),
    /// Something we depend on doesn't answer.
    #[error("{0}")]
    Unavailable(String),
    /// The container can't be started: its program is missing (127) or can't be run (126).
    #[error("{message}")]
    Start {
        /// What the runtime said.
        message: String,
        /// What a shell would exit with.
        code: i32,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Images.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Copying in and out of containers.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The kernel or the file system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

/// What kind of failure, for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is as asked already.
    NotModified,
    /// The request is wrong.
    InvalidInput,
    /// Not allowed.
    Forbidden,
    /// No such thing.
    NotFound,
    /// The state of things forbids it.
    Conflict,
    /// Our fault, or the machine's.
    Internal,
    /// We don't do that.
    Unsupported,
    /// Something we depend on doesn't answer.
    Unavailable,
    /// No space is left.
    DiskFull,
}

impl Kind {
    /// The HTTP status: the only such table.
    pub fn status(self) -> u16 {
        match self {
            Kind::NotModified => 304,
            Kind::InvalidInput => 400,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::Internal => 500,
            Kind::Unsupported => 501,
            Kind::Unavailable => 503,
            Kind::DiskFull => 507,
        }
    }
}

impl Error {
    /// Shorthand for [`Error::InvalidInput`].
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::InvalidInput(message.into())
    }

    /// Shorthand for [`Error::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Error {
        Error::NotFound(message.into())
    }

    /// Shorthand for [`Error::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Error {
        Error::Conflict(message.into())
    }

    /// Shorthand for [`Error::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Error {
        Error::Unsupported(message.into())
    }

    /// For `map_err`: names what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Error::InvalidInput(_) | Error::Config(_) => Kind::InvalidInput,
            // dockerd answers 400 when a program is missing or can't be run.
            Error::Start {
                code: 126 | 127, ..
            } => Kind::InvalidInput,
            Error::NotFound(_) => Kind::NotFound,
            Error::Conflict(_) => Kind::Conflict,
            Error::NotModified(_) => Kind::NotModified,
            Error::Forbidden(_) => Kind::Forbidden,
            Error::Unsupported(_) => Kind::Unsupported,
            Error::Unavailable(_) => Kind::Unavailable,
            Error::Store(error) if error.is_disk_full() => Kind::DiskFull,
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Kind::DiskFull
            }
            Error::Image(error) => image(error),
            Error::Volume(error) => volume(error),
            Error::Archive(error) => archive(error),
            Error::Start { .. } | Error::Store(_) | Error::Io { .. } | Error::Internal(_) => {
                Kind::Internal
            }
        }
    }
}

fn image(error: &ImageError) -> Kind {
    match error.kind() {
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Conflict => Kind::Conflict,
        ErrorKind::InvalidInput => Kind::InvalidInput,
        // Docker answers 500 to a registry that wants other credentials: a 401 would be about ourselves.
        ErrorKind::Unauthorized | ErrorKind::Unavailable | ErrorKind::Internal => Kind::Internal,
    }
}

fn volume(error: &VolumeError) -> Kind {
    match error {
        VolumeError::NotFound(_) | VolumeError::Driver(_) => Kind::NotFound,
        VolumeError::Name(_)
        | VolumeError::ShortName(_)
        | VolumeError::LongName(_)
        | VolumeError::UnknownOption { .. }
        | VolumeError::MissingOption(_) => Kind::InvalidInput,
        VolumeError::InUse { .. } | VolumeError::Held(_) => Kind::Conflict,
        VolumeError::Fill { source, .. } => archive(source),
        VolumeError::Store(error) if error.is_disk_full() => Kind::DiskFull,
        VolumeError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Kind::DiskFull
        }
        VolumeError::Mount { .. } | VolumeError::Io { .. } | VolumeError::Store(_) => {
            Kind::Internal
        }
    }
}

fn archive(error: &ArchiveError) -> Kind {
    match error {
        ArchiveError::NoSuchPath { .. } => Kind::NotFound,
        ArchiveError::ReadOnlyRoot | ArchiveError::ReadOnlyMount => Kind::Forbidden,
        ArchiveError::NotAFolder
        | ArchiveError::FolderInTheWay { .. }
        | ArchiveError::FileInTheWay { .. }
        | ArchiveError::Tar(_)
        | ArchiveError::TooDeep { .. } => Kind::InvalidInput,
        ArchiveError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Kind::DiskFull
        }
        ArchiveError::Io { .. } | ArchiveError::Rootfs(_) => Kind::Internal,
    }
}

/// What engine functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<gantry_api::filters::FilterError> for Error {
    fn from(error: gantry_api::filters::FilterError) -> Error {
        Error::invalid(error.to_string())
    }
}

impl From<gantry_network::NetworkError> for Error {
    fn from(error: gantry_network::NetworkError) -> Error {
        use gantry_network::NetworkError as N;
        match error {
            N::InvalidId(_) | N::InvalidMac(_) | N::InvalidBridge(_) | N::Subnet(_) => {
                Error::invalid(error.to_string())
            }
            N::AddressTaken(_) | N::AddressOutside(_) => Error::Forbidden(error.to_string()),
            N::NotConnected(_) => Error::not_found(error.to_string()),
            N::AlreadyConnected(_) => Error::conflict(error.to_string()),
            // dockerd answers 500 to a taken port.
            error => Error::Internal(error.to_string()),
        }
    }
}

impl From<gantry_runtime::ClientError> for Error {
    fn from(error: gantry_runtime::ClientError) -> Error {
        use gantry_runtime::ClientError as C;
        match error {
            C::Gone | C::NotRunning => Error::conflict("container is not running"),
            C::NoSuchExec(_) => Error::not_found(error.to_string()),
            C::NotFound(_) => Error::Start {
                message: error.to_string(),
                code: 127,
            },
            C::NotExecutable(_) => Error::Start {
                message: error.to_string(),
                code: 126,
            },
            C::Invalid(text) => Error::invalid(text),
            error => Error::Internal(error.to_string()),
        }
    }
}

impl From<gantry_runtime::cgroup::CgroupError> for Error {
    fn from(error: gantry_runtime::cgroup::CgroupError) -> Error {
        match error {
            gantry_runtime::cgroup::CgroupError::Gone(_) => {
                Error::conflict("container is not running")
            }
            error => Error::Internal(error.to_string()),
        }
    }
}

impl From<gantry_runtime::rootfs::RootfsError> for Error {
    fn from(error: gantry_runtime::rootfs::RootfsError) -> Error {
        Error::Internal(error.to_string())
    }
}

impl From<gantry_runtime::log::LogError> for Error {
    fn from(error: gantry_runtime::log::LogError) -> Error {
        Error::Internal(error.to_string())
    }
}

impl From<gantry_runtime::RuntimesError> for Error {
    fn from(error: gantry_runtime::RuntimesError) -> Error {
        Error::invalid(error.to_string())
    }
}
