//! The engine's end of a shim's socket.

mod exec;

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::shim::wire::{self, Failure, Reply, Request};
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

    /// Where the container's files are.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// What runs. [`ClientError::Gone`] when nobody listens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn state(&self) -> Result<ShimState, ClientError> {
        match self.ask(&Request::State).await?.0 {
            Reply::State(state) => Ok(state),
            other => Err(unexpected(other)),
        }
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] or [`ClientError::Gone`] when it has ended.
    pub async fn kill(&self, signal: i32) -> Result<(), ClientError> {
        self.ask_done(&Request::Kill(signal)).await
    }

    /// Waits until the container has ended and its exit is on disk; also answers long after, from `exit.json`.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the shim went away without writing an exit.
    pub async fn exited(&self) -> Result<Exit, ClientError> {
        match self.ask(&Request::Wait).await {
            Ok((Reply::Exit(exit), _)) => Ok(exit),
            Ok((other, _)) => Err(unexpected(other)),
            // It has written the exit before it left; or it was killed.
            Err(ClientError::Gone) => {
                let dirs = self.dirs.clone();
                let read = tokio::task::spawn_blocking(move || Exit::read(&dirs)).await;
                read.map_err(io::Error::other)??.ok_or(ClientError::Gone)
            }
            Err(error) => Err(error),
        }
    }

    /// Connects to the container's stdio from now on.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] or [`ClientError::Gone`] when it has ended.
    pub async fn attach(&self, options: AttachOptions) -> Result<AttachStream, ClientError> {
        match self.ask(&Request::Attach(options)).await? {
            (Reply::Done, stream) => Ok(stream.into()),
            (other, _) => Err(unexpected(other)),
        }
    }

    /// Sets the terminal's size.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] without a terminal.
    pub async fn resize(&self, size: ConsoleSize) -> Result<(), ClientError> {
        self.ask_done(&Request::Resize(None, size)).await
    }

    /// Runs a further process; returns when its program runs.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] (127) and [`ClientError::NotExecutable`] (126) as at a container's start.
    pub async fn exec(&self, exec: &ExecSpec) -> Result<ExecStarted, ClientError> {
        let pid = self.state().await?.pid;
        let (dirs, wanted) = (self.dirs.clone(), exec.clone());
        let described =
            tokio::task::spawn_blocking(move || exec::describe(&dirs, pid, &wanted)).await;
        let request = Request::Exec(Box::new(described.map_err(io::Error::other)??));
        match self.ask(&request).await? {
            (Reply::ExecStarted { pid }, stream) => {
                let attached = exec.attach != AttachOptions::default();
                Ok(ExecStarted {
                    pid,
                    stream: attached.then(|| stream.into()),
                })
            }
            (other, _) => Err(unexpected(other)),
        }
    }

    /// Waits until an exec has ended; its exit code.
    ///
    /// # Errors
    /// [`ClientError::NoSuchExec`]; [`ClientError::Gone`] when the shim went away meanwhile.
    pub async fn exec_exited(&self, id: &str) -> Result<i32, ClientError> {
        match self.ask(&Request::ExecWait(id.to_owned())).await?.0 {
            Reply::ExecExit(code) => Ok(code),
            other => Err(unexpected(other)),
        }
    }

    /// Sets the size of an exec's terminal.
    ///
    /// # Errors
    /// As [`Self::resize`].
    pub async fn exec_resize(&self, id: &str, size: ConsoleSize) -> Result<(), ClientError> {
        self.ask_done(&Request::Resize(Some(id.to_owned()), size))
            .await
    }

    async fn ask_done(&self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request).await?.0 {
            Reply::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Asks on a connection of its own, which then may carry streams.
    async fn ask(&self, request: &Request) -> Result<(Reply, UnixStream), ClientError> {
        let (_folder, path) = self.dirs.short_socket().map_err(gone)?;
        let mut stream = UnixStream::connect(path).await.map_err(gone)?;
        stream
            .write_all(&wire::encode(request)?)
            .await
            .map_err(gone)?;
        let length = stream.read_u32().await.map_err(gone)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= wire::LARGEST);
        let length = length.ok_or_else(|| ClientError::Protocol("too long".to_owned()))?;
        let mut json = vec![0; length];
        stream.read_exact(&mut json).await.map_err(gone)?;
        let reply = serde_json::from_slice(&json)
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        Ok((reply, stream))
    }
}

impl From<UnixStream> for AttachStream {
    fn from(stream: UnixStream) -> AttachStream {
        let (output, stdin) = stream.into_split();
        AttachStream { output, stdin }
    }
}

/// Takes a connection into the reactor.
pub(crate) fn split(stream: std::os::unix::net::UnixStream) -> io::Result<AttachStream> {
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream)?.into())
}

/// A shim that ends closes its socket at any moment of a talk.
fn gone(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ClientError::Gone,
        _ => ClientError::Io(error),
    }
}

fn unexpected(reply: Reply) -> ClientError {
    match reply {
        Reply::Failed(Failure::NotRunning) => ClientError::NotRunning,
        Reply::Failed(Failure::NoSuchExec(id)) => ClientError::NoSuchExec(id),
        Reply::Failed(Failure::NotFound(text)) => ClientError::NotFound(text),
        Reply::Failed(Failure::NotExecutable(text)) => ClientError::NotExecutable(text),
        Reply::Failed(Failure::Runtime(text) | Failure::Log(text)) => ClientError::Runtime(text),
        Reply::Failed(Failure::Invalid(text)) => ClientError::Invalid(text),
        other => ClientError::Protocol(format!("{other:?}")),
    }
}
