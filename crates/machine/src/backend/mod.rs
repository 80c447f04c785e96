//! What runs virtual machines: one file each, all by starting programs.
//!
//! A command line is a pure function of the machine's description, its paths and what was found on the host, so that it
//! can be looked at in a test where the program doesn't exist. Only QEMU has been run; `docs/machine.md` says what has
//! been seen of each.

pub mod cmdline;
pub mod hyperv;
#[cfg(unix)]
pub mod process;
pub mod qemu;
pub mod unavailable;
pub mod vfkit;
pub mod wsl;

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::image::GuestImage;
use crate::store::Machine;

/// A stream of bytes to the guest's agent.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A stream of bytes to the guest's agent, of whatever kind.
pub type Channel = Box<dyn ByteStream>;

/// Why a virtual machine could not be started or steered.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The program isn't installed.
    #[error("{program} was not found. {advice}")]
    Missing {
        /// The program.
        program: String,
        /// How to get it.
        advice: &'static str,
    },
    /// The program could not be run.
    #[error("{program} could not be run: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// Its last words.
        said: String,
    },
    /// A socket or file of the virtual machine's.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU's monitor.
    #[error(transparent)]
    Qmp(#[from] crate::qmp::QmpError),
    /// The back end can't do it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// What the machine is to be doesn't fit.
    #[error("{0}")]
    Unfit(String),
}

impl BackendError {
    /// What failed as `action` was tried.
    #[cfg(unix)]
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> BackendError {
        move |source| BackendError::Io { action, source }
    }
}

/// The tunnel where it is a unix socket.
#[cfg(unix)]
async fn unix_channel(socket: &std::path::Path) -> Result<Channel, BackendError> {
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .map_err(BackendError::io("connect to the tunnel's socket"))?;
    Ok(Box::new(stream))
}

/// What is known of a virtual machine from its start.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VmFacts {
    /// What helps the processor; `tcg` is nothing.
    pub accelerator: String,
    /// Nothing helps: everything takes longer.
    pub emulated: bool,
    /// The image it was started from.
    pub image: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A kind of virtual machine.
pub trait Backend: Send + Sync + 'static {
    /// One that runs.
    type Vm: Vm;

    /// Starts the machine. When this returns, its program answers.
    fn start(
        &self,
        machine: &Machine,
        image: &GuestImage,
    ) -> impl Future<Output = Result<Self::Vm, BackendError>> + Send;

    /// Takes over a machine that an earlier host process has left running; none if there is none.
    fn attach(
        &self,
        machine: &Machine,
    ) -> impl Future<Output = Result<Option<Self::Vm>, BackendError>> + Send;
}

/// A virtual machine that runs.
pub trait Vm: Send + Sync + 'static {
    /// What is known of it.
    fn facts(&self) -> &VmFacts;

    /// Its process on the host.
    fn pid(&self) -> Option<u32>;

    /// A fresh connection to the guest's end of the tunnel. The one before must be closed.
    fn channel(&self) -> impl Future<Output = Result<Channel, BackendError>> + Send;

    /// Waits until it has ended, and says how.
    fn ended(&self) -> impl Future<Output = String> + Send;

    /// Presses the power button.
    fn power_button(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Ends it at once, writing out what its program holds.
    fn quit(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Kills its process.
    fn kill(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Lets its processors stand still.
    fn pause(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Lets them go on. No error where they do.
    fn resume(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Wants the guest to have so many bytes of memory.
    fn balloon(&self, bytes: u64) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Bytes of memory that the guest has less what the balloon holds; none where that isn't known.
    fn memory(&self) -> impl Future<Output = Option<u64>> + Send;

    /// Grows the data disk to so many bytes while it runs.
    fn grow(&self, bytes: u64) -> impl Future<Output = Result<(), BackendError>> + Send;
}

#[cfg(test)]
pub(crate) mod fixture {
    //! A machine to build command lines for.

    use std::ffi::OsString;
    use std::path::PathBuf;

    use crate::image::GuestImage;
    use crate::name::MachineName;
    use crate::paths::{Home, Paths};
    use crate::spec::{GIB, Spec};

    pub fn machine() -> (Spec, Paths, GuestImage) {
        let home = Home::new("/home/me/data, with comma", "/run/user/1000/gantry");
        let name = MachineName::default();
        let paths = home.machine(&name).unwrap();
        let mut spec = Spec::defaults(name, 8, 16 * GIB);
        spec.shares = vec![PathBuf::from("/home/me"), PathBuf::from("/srv/a b")];
        let image = GuestImage {
            version: "1".into(),
            kernel_release: "6.1.0".into(),
            kernel: "/image/vmlinuz".into(),
            initrd: "/image/initrd.img".into(),
            root: "/image/root.img".into(),
        };
        (spec, paths, image)
    }

    /// A line for each option.
    pub fn shown(words: &[OsString]) -> String {
        let mut text = String::new();
        for word in words {
            let word = word.to_string_lossy();
            let parted = if text.is_empty() {
                ""
            } else if word.starts_with('-') {
                "\n"
            } else {
                " "
            };
            text += parted;
            text += &word;
        }
        text
    }
}
