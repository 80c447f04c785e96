//! The engine's side of a start.

use crate::spec::SpecError;
use crate::{Dirs, Exit, Host};

use super::{StartRequest, Started};

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
    /// The runtime refused.
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: {0}: unknown"
    )]
    Runtime(String),
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

/// Creates and starts a container under a new shim: returns when its program runs. A failure leaves nothing behind
/// but `dirs`. Safe to drop: the shim then goes on, or ends itself if the program did not run yet.
///
/// # Errors
/// [`StartError`].
pub async fn start(host: &Host, request: StartRequest) -> Result<Started, StartError> {
    let _ = (host, request);
    todo!()
}

/// Ends what a killed shim has left (processes, cgroup, runtime state) and says how the container ended: from
/// `exit.json` where the shim got so far, else a new one with code 137. For a start after a crash, when
/// nobody answers on `shim.sock`. Does nothing twice.
///
/// # Errors
/// When the exit can't be written.
pub async fn reap_orphan(dirs: &Dirs) -> std::io::Result<Exit> {
    let _ = dirs;
    todo!()
}
