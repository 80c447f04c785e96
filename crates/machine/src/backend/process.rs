//! Programs that outlive us, and programs that answer at once.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::BackendError;

/// A program that only tells its version has done so by then.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const MAX_SAID: usize = 2000;

/// The first of `candidates` that is a file.
pub fn first_file(candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.into_iter().find(|path| path.is_file())
}

/// `program` on `PATH` or where packages of macOS put it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    first_file(
        folders
            .map(|folder| folder.join(program))
            .collect::<Vec<_>>(),
    )
}

/// What `program` says when asked with `arguments`: both its outputs.
pub async fn answer(program: &Path, arguments: &[&str]) -> Result<String, BackendError> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(ANSWER_LIMIT, output)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| BackendError::Spawn {
            program: program.display().to_string(),
            source,
        })?;
    Ok(said(&[output.stdout, output.stderr].concat()))
}

/// The end of what a program said, made fit to show.
pub fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean: Vec<char> = text
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect();
    let from = clean.len().saturating_sub(MAX_SAID);
    clean[from..].iter().collect::<String>().trim().to_owned()
}

/// Starts a program that goes on without us: not in our process group, so no key pressed at our terminal reaches it.
/// What it says goes to `log`.
pub fn start_lasting(
    program: &Path,
    arguments: &[OsString],
    stdin: Stdio,
    log: &File,
) -> Result<tokio::process::Child, BackendError> {
    let spawn = |source| BackendError::Spawn {
        program: program.display().to_string(),
        source,
    };
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .stdin(stdin)
        .stdout(log.try_clone().map_err(spawn)?)
        .stderr(log.try_clone().map_err(spawn)?)
        .process_group(0);
    tokio::process::Command::from(command)
        .spawn()
        .map_err(spawn)
}

/// Kills the process `pid`; no error where it has gone.
pub fn kill(pid: u32) -> Result<(), BackendError> {
    let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return Ok(());
    };
    match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(BackendError::Io {
            action: "kill the virtual machine",
            source: error.into(),
        }),
    }
}

/// The end of a process that isn't our child.
#[derive(Debug)]
pub struct Death {
    #[cfg(target_os = "linux")]
    process: std::sync::Arc<std::os::fd::OwnedFd>,
}

impl Death {
    /// Of the process `pid`, which must live. None where the system can't tell.
    #[cfg(target_os = "linux")]
    pub fn of(pid: u32) -> Option<Death> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let process = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        Some(Death {
            process: process.into(),
        })
    }

    /// Of the process `pid`, which must live. None where the system can't tell.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_pid: u32) -> Option<Death> {
        None
    }

    /// Waits for it, once it is on its way: not for longer than 10 s.
    pub async fn wait(&self) {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            const LIMIT: Timespec = Timespec {
                tv_sec: 10,
                tv_nsec: 0,
            };
            let process = self.process.clone();
            let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&LIMIT));
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }
}
