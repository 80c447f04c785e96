//! The shim's beginning: out of the engine's reach, its socket, the container's stdio, the loop.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use time::OffsetDateTime;

use super::engine::Engine;
use super::process::Process;
use super::server::Server;
use super::stdio::Stdio;
use super::wire::{Boot, Failure, Progress};
use super::worker::Worker;
use super::{builtin, external};
use crate::Runtime;
use crate::client::AttachOptions;
use crate::log::Writer;
use crate::sys::{self, Fork};

/// The program `gantry-shim`: its one argument is the container's state folder. The engine's go comes by standard
/// input, its answers go by standard output.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(state), None) = (arguments.next(), arguments.next()) else {
        eprintln!(
            "usage: gantry-shim STATE-FOLDER\n\ngantryd runs one for each container; it is of no use by hand."
        );
        return ExitCode::from(2);
    };
    match begin(Path::new(&state)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-shim: {}: {error}", Path::new(&state).display());
            ExitCode::FAILURE
        }
    }
}

fn begin(state: &Path) -> io::Result<()> {
    // What the engine has inherited itself, a lock perhaps, must not be held for as long as the container runs.
    // SAFETY: this program has opened nothing yet.
    unsafe { sys::close_others()? };
    // A new session in a new process, whose parent the engine no longer is.
    if let Fork::Parent(_) = sys::fork()? {
        return Ok(());
    }
    rustix::process::setsid()?;
    sys::own_keyring()?;
    sys::name_process(c"gantry-shim");
    std::env::set_current_dir(state)?;
    let (input, output) = take_stdio()?;
    let mut engine = Engine::new(input, output);
    let server = match prepare() {
        Ok(server) => server,
        Err(failure) => {
            eprintln!("{failure:?}");
            engine.tell(&Progress::Failed(failure));
            return Ok(());
        }
    };
    let mut server = server(engine);
    server.engine.tell(&Progress::Listening);
    server.run()
}

/// Takes the engine's pipes off standard input and output and puts nothing there; errors go to a file.
fn take_stdio() -> io::Result<(OwnedFd, OwnedFd)> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    let log = rustix::fs::open("shim.log", flags, Mode::from_raw_mode(0o600))?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok((input, output))
}

/// Everything but the engine's pipes; the worker is at work when this returns.
fn prepare() -> Result<impl FnOnce(Engine) -> Server, Failure> {
    let wrong = |error: io::Error| Failure::Runtime(format!("shim: {error}"));
    let boot = || -> io::Result<Boot> {
        let file = File::open("shim.json")?;
        Ok(serde_json::from_reader(io::BufReader::new(file))?)
    };
    let boot = boot().map_err(wrong)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if boot.open_files.is_some() {
        let limits = Rlimit {
            current: boot.open_files,
            ..getrlimit(Resource::Nofile)
        };
        setrlimit(Resource::Nofile, limits).map_err(|errno| wrong(errno.into()))?;
    }
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))
        .map_err(|errno| wrong(errno.into()))?;
    let signals = sys::child_signals().map_err(wrong)?;
    // The folder is nobody's but root's; relative, since an address has room for 107 bytes only.
    let listener = UnixListener::bind("shim.sock").map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    // A container whose output would be lost does not start, as with Docker.
    let log = Writer::open(&boot.dirs.data.join("log"), &boot.log)
        .map_err(|error| Failure::Log(error.to_string()))?;
    let want = if boot.tty {
        AttachOptions::default()
    } else {
        AttachOptions {
            stdin: boot.open_stdin,
            stdout: true,
            stderr: true,
        }
    };
    let (stdio, ends) = Stdio::pipes(want, boot.uid).map_err(wrong)?;
    let worker = Worker::fork(|shim| match &boot.runtime {
        Runtime::Builtin => builtin::create(&boot, ends, shim),
        Runtime::Program { path, .. } => external::create(&boot, path, ends, shim),
    })
    .map_err(wrong)?;
    let process = Process {
        stdio,
        worker: Some(worker),
        uid: boot.uid,
        console_size: boot.console_size,
        ..Process::default()
    };
    Ok(move |engine| Server {
        boot,
        listener: listener.into(),
        signals,
        engine,
        log,
        processes: BTreeMap::from([(0, process)]),
        next_process: 1,
        connections: BTreeMap::new(),
        next_connection: 0,
        ended: VecDeque::new(),
        unclaimed: BTreeMap::new(),
        started_at: OffsetDateTime::now_utc(),
        signal_at_start: None,
        drain_until: None,
        buffer: Vec::new(),
    })
}
