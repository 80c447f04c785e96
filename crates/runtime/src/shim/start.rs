//! The engine's side of a start.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::prepare::prepare;
use super::seal::sealed;
use super::wire::{self, Failure, Progress, Reply, Request};
use super::{StartRequest, Started};
use crate::Host;
use crate::client::{AttachOptions, AttachStream, split};
use crate::spec::{self, SpecError};

/// A container did not start; its text is Docker's.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The description is wrong: the caller's fault.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The program is not in the root: exit code 127.
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {0}: unknown"
    )]
    NotFound(String),
    /// The program can't be run: exit code 126.
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {0}: unknown"
    )]
    NotExecutable(String),
    /// A container of these folders runs already.
    #[error("the container is running already")]
    Running,
    /// The runtime refused.
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: {0}: unknown"
    )]
    Runtime(String),
    /// Its output could not be kept.
    #[error("failed to create task for container: failed to initialize logging driver: {0}")]
    Log(String),
    /// The shim could not be run or went away.
    #[error("failed to create task for container: shim: {what}: {source}")]
    Shim {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl StartError {
    /// The container's exit code after such a failure, as Docker sets it.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            StartError::NotFound(_) => 127,
            StartError::NotExecutable(_) => 126,
            _ => 128,
        }
    }
}

pub(super) fn failed(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Shim { what, source }
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> StartError {
        match failure {
            Failure::NotFound(text) => StartError::NotFound(text),
            Failure::NotExecutable(text) => StartError::NotExecutable(text),
            Failure::Runtime(text) | Failure::Invalid(text) | Failure::NoSuchExec(text) => {
                StartError::Runtime(text)
            }
            Failure::Log(text) => StartError::Log(text),
            Failure::NotRunning => StartError::Runtime("the container ended at once".to_owned()),
        }
    }
}

/// Creates and starts a container under a new shim: returns when its program runs. A failure leaves nothing behind
/// but the data folder. Where the future is dropped the start goes on.
///
/// # Errors
/// [`StartError`].
pub async fn start(host: &Host, request: StartRequest) -> Result<Started, StartError> {
    let host = host.clone();
    let work = tokio::task::spawn_blocking(move || start_blocking(&host, request));
    let (pid, started_at, streams) = work
        .await
        .map_err(|error| failed("starting")(io::Error::other(error)))??;
    let attached = streams
        .into_iter()
        .map(split)
        .collect::<io::Result<Vec<AttachStream>>>();
    Ok(Started {
        pid,
        started_at,
        attached: attached.map_err(failed("attaching"))?,
    })
}

type Running = (u32, time::OffsetDateTime, Vec<UnixStream>);

fn start_blocking(host: &Host, request: StartRequest) -> Result<Running, StartError> {
    let attach = request.attach.clone();
    let dirs = request.dirs.clone();
    if dirs
        .short_socket()
        .is_ok_and(|(_folder, path)| UnixStream::connect(path).is_ok())
    {
        return Err(StartError::Running);
    }
    let outcome = prepare(host, request).and_then(|()| {
        let mut shim = Launched::new(&host.shim, &dirs.state)?;
        shim.expect_listening()?;
        let streams = attach.iter().map(|options| attach_to(&dirs, *options));
        let streams = streams
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed("attaching"))?;
        let (pid, at) = shim.go()?;
        Ok((pid, at, streams))
    });
    if outcome.is_err() {
        // A shim that came so far has done this itself.
        dirs.forget_state();
    }
    outcome
}

/// A shim that has not started its container yet.
struct Launched {
    input: ChildStdin,
    output: ChildStdout,
}

impl Launched {
    fn new(program: &Path, state: &Path) -> Result<Launched, StartError> {
        // A container finds the shim's file behind `/proc/self/exe` just before its own program runs, and could else
        // write to it (CVE-2019-5736).
        let sealed = sealed(program).map_err(failed("opening gantry-shim"))?;
        let mut command = Command::new(format!("/proc/self/fd/{}", sealed.as_raw_fd()));
        // Nothing of the engine's environment: it may hold secrets, and runtimes heed some of it.
        command
            .arg0("gantry-shim")
            .arg(state)
            .env_clear()
            .env("PATH", spec::environment::PATH);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child: Child = command.spawn().map_err(failed("running gantry-shim"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        // The first process only makes the second.
        child.wait().map_err(failed("waiting for gantry-shim"))?;
        let pipes = input.zip(output).ok_or(io::ErrorKind::BrokenPipe);
        let (input, output) = pipes.map_err(|kind| failed("running gantry-shim")(kind.into()))?;
        Ok(Launched { input, output })
    }

    fn hear(&mut self) -> Result<Progress, StartError> {
        let progress = wire::receive(&mut self.output).map_err(failed("hearing from the shim"))?;
        progress.ok_or_else(|| failed("hearing from the shim")(io::ErrorKind::UnexpectedEof.into()))
    }

    fn expect_listening(&mut self) -> Result<(), StartError> {
        match self.hear()? {
            Progress::Listening => Ok(()),
            Progress::Failed(failure) => Err(failure.into()),
            Progress::Started { .. } => Err(failed("hearing from the shim")(
                io::ErrorKind::InvalidData.into(),
            )),
        }
    }

    fn go(mut self) -> Result<(u32, time::OffsetDateTime), StartError> {
        // A shim that has failed meanwhile is no longer there to read it, but has said why.
        let said = self.input.write_all(b"g");
        match self.hear() {
            Ok(Progress::Started { pid, at }) => Ok((pid, at)),
            Ok(Progress::Failed(failure)) => Err(failure.into()),
            Ok(Progress::Listening) => Err(failed("hearing from the shim")(
                io::ErrorKind::InvalidData.into(),
            )),
            Err(error) => Err(said
                .map_err(failed("telling the shim to start"))
                .err()
                .unwrap_or(error)),
        }
    }
}

fn attach_to(dirs: &crate::Dirs, options: AttachOptions) -> io::Result<UnixStream> {
    let (_folder, path) = dirs.short_socket()?;
    let mut stream = UnixStream::connect(path)?;
    wire::send(&mut stream, &Request::Attach(options))?;
    match wire::receive(&mut stream)? {
        Some(Reply::Done) => Ok(stream),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}
