//! What can stop the machine from coming up: told on the console, with what to try.

use std::io;
use std::path::PathBuf;

use super::cmdline::CmdlineError;

/// A stage that failed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The kernel's command line isn't understood.
    #[error("the kernel's command line: {0}")]
    Cmdline(#[from] CmdlineError),
    /// A file system can't be mounted.
    #[error("mount {what} at {at}: {source}")]
    Mount {
        /// What was to be mounted.
        what: String,
        /// Where.
        at: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A file can't be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A system call failed that belongs to no file.
    #[error("{doing}: {source}")]
    Kernel {
        /// What was tried.
        doing: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A module that the machine can't do without.
    #[error("load module {name}: {source}")]
    Module {
        /// The module's name.
        name: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The list of modules is damaged.
    #[error("the list of modules {path}: {name} comes before {needs}, which it needs")]
    ModuleOrder {
        /// The list.
        path: PathBuf,
        /// Who is out of order.
        name: String,
        /// What it needs.
        needs: String,
    },
    /// A device didn't show up in time.
    #[error("{what} did not appear within {seconds} s")]
    Absent {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// The first disk isn't a guest image.
    #[error("{disk} is no guest image: it holds {found}")]
    NotARoot {
        /// The disk.
        disk: PathBuf,
        /// What it looks like.
        found: String,
    },
    /// The data disk holds what isn't ours. It is never formatted.
    #[error(
        "the data disk {disk} is not empty and not Gantry's: it holds {found}; it is left as it is"
    )]
    ForeignDisk {
        /// The disk.
        disk: PathBuf,
        /// What it looks like.
        found: String,
    },
    /// The data disk is too small for a file system.
    #[error("the data disk {disk} has {bytes} bytes, and at least {least} are needed")]
    TinyDisk {
        /// The disk.
        disk: PathBuf,
        /// Its size.
        bytes: u64,
        /// What is needed.
        least: u64,
    },
    /// A program of the image failed.
    #[error("{program} on {disk}: {outcome}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it worked on.
        disk: PathBuf,
        /// How it ended, and its last words.
        outcome: String,
    },
    /// A shared folder that would hide the guest's own files.
    #[error("the shared folder {path} would hide the machine's own files")]
    ShareHides {
        /// The folder.
        path: PathBuf,
    },
}

impl InitError {
    /// What a person can try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Cmdline(_) => {
                "host and guest image may be of different versions: install both anew"
            }
            Self::Module { .. } | Self::ModuleOrder { .. } | Self::NotARoot { .. } => {
                "the guest image is damaged or of another version: install or build it anew"
            }
            Self::ForeignDisk { .. } => {
                "give the machine another disk, or move data.img away to begin with an empty one"
            }
            Self::TinyDisk { .. } => "make the disk larger: gantry machine set --disk SIZE",
            Self::Program { .. } => {
                "keep a copy of data.img, then repair it on a Linux system with e2fsck -f, \
                 or begin anew with gantry machine reset"
            }
            Self::Absent { .. } => {
                "the virtual machine lacks a device: look at the machine's log on the host"
            }
            Self::ShareHides { .. } => {
                "take that folder out of the machine's shares: gantry machine set --share"
            }
            Self::Mount { .. } | Self::File { .. } | Self::Kernel { .. } => {
                "start the machine again; if it stays, report it with this console's text"
            }
        }
    }
}

/// Wraps a failed file operation.
pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> InitError {
    let path = path.into();
    move |source| InitError::File {
        doing,
        path,
        source,
    }
}

/// Wraps a failed system call.
pub fn kernel<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> InitError {
    move |source| InitError::Kernel {
        doing,
        source: source.into(),
    }
}
