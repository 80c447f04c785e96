//! Starting a machine's host process: `gantry machine host`, which outlives this window.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use gantry_machine::store::Machine;
use tokio::process::Command;

use crate::engine::local;
use crate::program::{self, Missing};

/// How much of the host's log is told when it ends before it is asked anything.
const LAST_WORDS: usize = 2000;

/// Why there is no host process.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The program that it is part of isn't there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The program can't be run.
    #[error("{}: {source}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Its log, or its socket.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It ended before it answered.
    #[error("{last_words}")]
    Ended {
        /// The end of its log.
        last_words: String,
    },
}

/// Starts a host process for `machine`, and waits until it can be asked.
pub async fn start(machine: &Machine) -> Result<(), HostError> {
    let program = program::beside_or_on_path("gantry")?;
    let path = machine.paths.host_log();
    let file = |source| HostError::File {
        path: path.clone(),
        source,
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let log = options.open(&path).map_err(file)?;
    let said_before = log.metadata().map_err(file)?.len();
    let mut command = program::lasting(Command::new(&program));
    let mut child = command
        .args(["machine", "host", machine.spec.name.as_str()])
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(file)?)
        .stderr(log)
        .spawn()
        .map_err(|source| HostError::Run { program, source })?;
    let socket = machine.paths.control_socket();
    tokio::select! {
        appeared = local::appears(&socket, true) => {
            appeared.map_err(|source| HostError::File { path: socket.clone(), source })?;
        }
        status = child.wait() => {
            let status = status.map_err(file)?;
            let said = std::fs::read(&path).map_err(file)?;
            let from = usize::try_from(said_before).unwrap_or(0).min(said.len());
            let from = from.max(said.len().saturating_sub(LAST_WORDS));
            let mut last_words = String::from_utf8_lossy(&said[from..]).trim().to_owned();
            if last_words.is_empty() {
                last_words = format!("gantry machine host ended: {status}");
            }
            return Err(HostError::Ended { last_words });
        }
    }
    // Reaps it when it ends while the app still runs.
    tokio::spawn(async move { child.wait().await });
    Ok(())
}
