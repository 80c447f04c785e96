//! The engine's end of a shim's socket.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::spec::ConsoleSize;
use crate::{Dirs, Exit};

/// A shim could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the container has ended, or its shim was killed (see [`crate::shim::reap_orphan`]).
    #[error("the container's shim is gone")]
    Gone,
    /// The container has no running process for this.
    #[error("container is not running")]
    NotRunning,
    /// No exec of this id (it may have been forgotten: the last 64 that ended are kept).
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// The exec's program is not in the container: exit code 127.
    #[error(
        "OCI runtime exec failed: exec failed: unable to start container process: {0}: unknown"
    )]
    NotFound(String),
    /// The exec's program can't be run: exit code 126.
    #[error(
        "OCI runtime exec failed: exec failed: unable to start container process: {0}: unknown"
    )]
    NotExecutable(String),
    /// The runtime refused.
    #[error("OCI runtime exec failed: {0}: unknown")]
    Runtime(String),
    /// The description of an exec is wrong: the caller's fault.
    #[error("{0}")]
    Invalid(String),
    /// The shim answered what it should not.
    #[error("the shim's answer is not understood: {0}")]
    Protocol(String),
    /// The socket failed.
    #[error("cannot talk to the container's shim: {0}")]
    Io(#[from] std::io::Error),
}

/// Which streams a client is attached to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachOptions {
    /// What the client sends goes to the process.
    pub stdin: bool,
    /// Standard output (with a terminal: all output).
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// A connection to a process' stdio.
#[derive(Debug)]
pub struct AttachStream {
    /// Without a terminal: Docker's frames (8-byte header, `[stream, 0, 0, 0, length big-endian]`), to be passed on as
    /// they are. With one: the raw bytes. Ends when the process' output has ended.
    pub output: OwnedReadHalf,
    /// Raw bytes to the process. Shutting it down (dropping does, too) is the end of the client's input.
    /// Drop both halves to detach.
    pub stdin: OwnedWriteHalf,
}

/// A further process in a running container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecSpec {
    /// The exec's id.
    pub id: String,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Variables on top of the container's own (its config's env), in order.
    pub env: Vec<String>,
    /// Working directory; none is the container's.
    pub cwd: Option<String>,
    /// As [`crate::ContainerSpec::user`]; none is the container's user.
    pub user: Option<String>,
    /// A terminal of its own.
    pub tty: bool,
    /// All capabilities.
    pub privileged: bool,
    /// Which streams are connected; none of them runs it detached, its output dropped.
    pub attach: AttachOptions,
    /// Terminal size from the start.
    pub console_size: Option<ConsoleSize>,
}

/// A running exec.
#[derive(Debug)]
pub struct ExecStarted {
    /// Its process, in the host's numbers.
    pub pid: u32,
    /// Its stdio, where [`ExecSpec::attach`] wants any.
    pub stream: Option<AttachStream>,
}

/// What a shim says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShimState {
    /// The container's first process.
    pub pid: u32,
    /// When it ran.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Execs by id: `None` while running, else the exit code.
    pub execs: BTreeMap<String, Option<i32>>,
}

/// Talks to one container's shim. Cheap: each call is a connection of its own; nothing is held between calls.
#[derive(Debug, Clone)]
pub struct ShimClient {
    dirs: Dirs,
}

impl ShimClient {
    /// For the container of these folders, whether its shim lives or not.
    #[must_use]
    pub fn new(dirs: Dirs) -> ShimClient {
        ShimClient { dirs }
    }

    /// What runs. [`ClientError::Gone`] when nobody listens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn state(&self) -> Result<ShimState, ClientError> {
        todo!()
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when it has ended.
    pub async fn kill(&self, signal: i32) -> Result<(), ClientError> {
        let _ = signal;
        todo!()
    }

    /// Waits until the container has ended and its exit is on disk; also answers long after, from `exit.json`.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the shim went away without writing an exit.
    pub async fn exited(&self) -> Result<Exit, ClientError> {
        todo!()
    }

    /// Connects to the container's stdio from now on.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when it has ended.
    pub async fn attach(&self, options: AttachOptions) -> Result<AttachStream, ClientError> {
        let _ = options;
        todo!()
    }

    /// Sets the terminal's size.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] without a terminal.
    pub async fn resize(&self, size: ConsoleSize) -> Result<(), ClientError> {
        let _ = size;
        todo!()
    }

    /// Runs a further process; returns when its program runs.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] (127) and [`ClientError::NotExecutable`] (126) as at a container's start.
    pub async fn exec(&self, exec: &ExecSpec) -> Result<ExecStarted, ClientError> {
        let _ = exec;
        todo!()
    }

    /// Waits until an exec has ended; its exit code.
    ///
    /// # Errors
    /// [`ClientError::NoSuchExec`]; [`ClientError::Gone`] when the container ended meanwhile.
    pub async fn exec_exited(&self, id: &str) -> Result<i32, ClientError> {
        let _ = id;
        todo!()
    }

    /// Sets the size of an exec's terminal.
    ///
    /// # Errors
    /// As [`Self::resize`].
    pub async fn exec_resize(&self, id: &str, size: ConsoleSize) -> Result<(), ClientError> {
        let _ = (id, size);
        todo!()
    }

    /// Where the container's files are.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }
}

/// Reads how the container of this folder ended, where its shim has written that.
///
/// # Errors
/// When the file is there but can't be read.
pub fn read_exit(data: &std::path::Path) -> std::io::Result<Option<Exit>> {
    let path: PathBuf = data.join("exit.json");
    let _ = path;
    todo!()
}
