//! Talks to a machine's host process, and starts one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gantry_tunnel::{LineError, Lines};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::backend::Channel;
use crate::control::{Call, Figures, MAX_LINE, Reply, Status};
use crate::local;
use crate::paths::Paths;
use crate::state::State;
use crate::store::{Machine, Store, StoreError, private_file, private_folder};

/// A host process says that it is there within this time, or won't.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// Above this, a log begins anew.
const MAX_LOG: u64 = 1024 * 1024;

/// Why a host process could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// None runs.
    #[error("machine {0} is not running. Start it: `gantry machine start {0}`")]
    NotRunning(crate::MachineName),
    /// The socket.
    #[error("the machine's host process can't be reached: {0}")]
    Connect(#[source] io::Error),
    /// What came over it.
    #[error("the machine's host process: {0}")]
    Line(#[from] LineError),
    /// It closed the connection before it had answered.
    #[error("the machine's host process ended before it answered")]
    Ended,
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It answered something else than was asked.
    #[error("the machine's host process is of another version: stop it and start it anew")]
    Unexpected,
    /// It could not be started.
    #[error("the machine's host process could not be started: {0}")]
    Launch(String),
    /// The machine's files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A connection to a host process.
pub struct Client {
    lines: Lines<Channel>,
}

impl Client {
    /// Connects to the machine's host process.
    pub async fn connect(paths: &Paths) -> Result<Client, ClientError> {
        match local::connect(&paths.control_socket()).await {
            Ok(stream) => Ok(Client {
                lines: Lines::new(stream, MAX_LINE),
            }),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Err(ClientError::NotRunning(paths.name().clone()))
            }
            Err(error) => Err(ClientError::Connect(error)),
        }
    }

    /// Asks; what comes is read by [`Client::next`].
    pub async fn ask(&mut self, call: &Call) -> Result<(), ClientError> {
        Ok(self.lines.send(call).await?)
    }

    /// The next answer; none once the host has closed. A refusal is an error.
    pub async fn next(&mut self) -> Result<Option<Reply>, ClientError> {
        match self.lines.next().await? {
            Some(Reply::Refused(why)) => Err(ClientError::Refused(why)),
            other => Ok(other),
        }
    }

    /// The next state; none once the host has closed.
    pub async fn next_status(&mut self) -> Result<Option<Status>, ClientError> {
        match self.next().await? {
            Some(Reply::Status(status)) => Ok(Some(*status)),
            None => Ok(None),
            Some(_) => Err(ClientError::Unexpected),
        }
    }

    /// Waits until the host process has let go of the machine, which is a moment after it has told the last state.
    pub async fn gone(mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }

    /// The state now.
    pub async fn status(&mut self) -> Result<Status, ClientError> {
        self.ask(&Call::Status).await?;
        self.next_status().await?.ok_or(ClientError::Ended)
    }

    /// What the machine uses.
    pub async fn figures(&mut self) -> Result<Figures, ClientError> {
        self.ask(&Call::Figures).await?;
        match self.next().await? {
            Some(Reply::Figures(figures)) => Ok(*figures),
            None => Err(ClientError::Ended),
            Some(_) => Err(ClientError::Unexpected),
        }
    }

    /// Asks for something that is either done or not.
    pub async fn wish(&mut self, call: &Call) -> Result<(), ClientError> {
        self.ask(call).await?;
        match self.next().await? {
            Some(Reply::Done) => Ok(()),
            None => Err(ClientError::Ended),
            Some(_) => Err(ClientError::Unexpected),
        }
    }

    /// A process in the guest: what follows are the frames of [`gantry_tunnel::shell`], both ways.
    pub async fn shell(
        mut self,
        command: Vec<String>,
        rows: u16,
        cols: u16,
    ) -> Result<Channel, ClientError> {
        self.ask(&Call::Shell {
            command,
            rows,
            cols,
        })
        .await?;
        match self.next().await? {
            // Nothing is sent beyond this line until we send something.
            Some(Reply::Shell) => Ok(self.lines.into_inner()),
            None => Err(ClientError::Ended),
            Some(_) => Err(ClientError::Unexpected),
        }
    }
}

/// What is known of a machine whether or not it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Its host process says so.
    Hosted(Box<Status>),
    /// It is not running; the last run's end if that was a failure.
    Down(Option<Box<Status>>),
    /// Its virtual machine runs, its host process doesn't: the next start or stop takes it over.
    Unattended,
}

impl Seen {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Seen::Hosted(status) => status.state.word(),
            Seen::Down(Some(_)) => "failed",
            Seen::Down(None) => "stopped",
            Seen::Unattended => "unattended",
        }
    }
}

/// Looks at a machine.
pub async fn look(store: &Store, machine: &Machine) -> Result<Seen, ClientError> {
    match Client::connect(&machine.paths).await {
        Ok(mut client) => match client.status().await {
            Ok(status) => return Ok(Seen::Hosted(Box::new(status))),
            // It ended meanwhile.
            Err(ClientError::Ended | ClientError::Line(LineError::Io(_))) => {}
            Err(error) => return Err(error),
        },
        Err(ClientError::NotRunning(_)) => {}
        Err(error) => return Err(error),
    }
    if store.has_orphan(&machine.spec.name)? {
        return Ok(Seen::Unattended);
    }
    let last =
        last_status(&machine.paths).filter(|last| matches!(last.state, State::Failed { .. }));
    Ok(Seen::Down(last.map(Box::new)))
}

fn last_status(paths: &Paths) -> Option<Status> {
    let file = File::open(paths.last_status()).ok()?;
    serde_json::from_reader(file.take(MAX_LINE as u64)).ok()
}

/// How a host process is started.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program: `gantry`.
    pub program: PathBuf,
}

impl Launcher {
    /// This very program.
    pub fn this() -> io::Result<Launcher> {
        Ok(Launcher {
            program: std::env::current_exe()?,
        })
    }

    /// Starts a host process for the machine and waits until it can be talked to. One that runs already is as good.
    /// It outlives us, and takes over a virtual machine that an earlier one has left.
    pub async fn start(&self, machine: &Machine) -> Result<(), ClientError> {
        let launch = |what: &str, error: io::Error| ClientError::Launch(format!("{what}: {error}"));
        private_folder(machine.paths.run())
            .map_err(|error| launch(&machine.paths.run().display().to_string(), error))?;
        let log =
            open_log(&machine.paths.host_log()).map_err(|error| launch("open host.log", error))?;
        let mut command = std::process::Command::new(&self.program);
        command
            .args(["machine", "host", machine.spec.name.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // A folder that could be unmounted or removed is none to stay in.
            .current_dir(machine.paths.data());
        detach(&mut command);
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|error| launch(&self.program.display().to_string(), error))?;
        let stdout = child.stdout.take().ok_or(ClientError::Ended)?;
        let mut said = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(READY_LIMIT, said.next_line()).await;
        match first {
            Ok(Ok(Some(line))) if line == READY => Ok(()),
            Ok(Ok(Some(line))) => Err(ClientError::Launch(line)),
            Ok(Ok(None)) => Err(ClientError::Launch(format!(
                "it ended at once; see {}",
                machine.paths.host_log().display()
            ))),
            Ok(Err(error)) => Err(launch("its first word", error)),
            Err(_) => Err(ClientError::Launch(format!(
                "it said nothing within {} s",
                READY_LIMIT.as_secs()
            ))),
        }
    }
}

/// What a host process says once it can be talked to.
pub(crate) const READY: &str = "ready";

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    private_file(OpenOptions::new().create(true).append(true), path)
}

/// A host process makes itself a session of its own once it runs.
#[cfg(unix)]
fn detach(_command: &mut std::process::Command) {}

#[cfg(windows)]
fn detach(command: &mut std::process::Command) {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}
