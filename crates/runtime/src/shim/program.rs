//! Finding and running a container's program, with Docker's words for what goes wrong.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use oci_spec::runtime::{Process, Spec};

use super::privileges::Privileges;
use super::wire::Failure;
use crate::spec::environment;
use crate::sys;

/// Where a process that can't run its program says so; it closes by itself when the program runs.
#[derive(Clone, Copy)]
pub(super) struct Report(RawFd);

/// The other end.
pub(super) struct Outcome(File);

/// A new pair. The write end is a bare number since libcontainer copies what holds it across forks: the one who made
/// the pair closes its own copy with [`Report::close`].
pub(super) fn report() -> io::Result<(Report, Outcome)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((Report(write.into_raw_fd()), Outcome(File::from(read))))
}

impl Report {
    pub fn say(self, failure: &Failure) {
        // SAFETY: the number is this process' copy of the write end, which nothing else closes here.
        let mut file = unsafe { File::from_raw_fd(self.0) };
        if let Ok(json) = serde_json::to_vec(failure) {
            // The reader may be gone.
            let _ = file.write_all(&json);
        }
        let _ = file.into_raw_fd();
    }

    pub fn close(self) {
        // SAFETY: as above; the caller is done with it.
        drop(unsafe { OwnedFd::from_raw_fd(self.0) });
    }
}

impl Outcome {
    /// Waits until the program runs (`None`) or a failure is told.
    pub fn wait(mut self) -> Option<Failure> {
        let mut json = Vec::new();
        let _ = self.0.read_to_end(&mut json);
        if json.is_empty() {
            return None;
        }
        Some(
            serde_json::from_slice(&json)
                .unwrap_or(Failure::Runtime("unreadable report".to_owned())),
        )
    }
}

/// Looks the program up in the current root and folder, as the current user.
pub(super) fn find(process: &Process) -> Result<PathBuf, Failure> {
    let name = process
        .args()
        .iter()
        .flatten()
        .next()
        .map_or("", String::as_str);
    let quoted = quote(name);
    if name.contains('/') {
        return match runnable(Path::new(name)) {
            Ok(()) => Ok(PathBuf::from(name)),
            Err(error) => Err(failure(&format!("exec: {quoted}"), &error, Some(name))),
        };
    }
    let variable = process
        .env()
        .iter()
        .flatten()
        .find_map(|entry| entry.strip_prefix("PATH="));
    for folder in variable.unwrap_or(environment::PATH).split(':') {
        let path = if folder.is_empty() {
            PathBuf::from(".").join(name)
        } else {
            Path::new(folder).join(name)
        };
        if runnable(&path).is_ok() {
            return Ok(path);
        }
    }
    Err(Failure::NotFound(format!(
        "exec: {quoted}: executable file not found in $PATH"
    )))
}

fn runnable(path: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.escape_debug())
}

fn failure(what: &str, error: &io::Error, stat: Option<&str>) -> Failure {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => match stat {
            Some(name) => Failure::NotFound(format!(
                "{what}: stat {}: no such file or directory",
                name.escape_debug()
            )),
            None => Failure::NotFound(format!("{what}: no such file or directory")),
        },
        Some(libc::EISDIR) => Failure::NotExecutable(format!("{what}: is a directory")),
        Some(libc::EACCES | libc::EPERM) => {
            Failure::NotExecutable(format!("{what}: permission denied"))
        }
        Some(libc::ENOEXEC) => Failure::NotExecutable(format!("{what}: exec format error")),
        _ => Failure::NotExecutable(format!("{what}: {error}")),
    }
}

/// Becomes the program. Returns why not.
pub(super) fn become_program(process: &Process) -> Failure {
    let path = match find(process) {
        Ok(path) => path,
        Err(failure) => return failure,
    };
    let texts = |texts: &Option<Vec<String>>| -> Result<Vec<CString>, Failure> {
        let texts = texts
            .iter()
            .flatten()
            .map(|text| CString::new(text.as_str()));
        texts
            .collect::<Result<_, _>>()
            .map_err(|_| Failure::Invalid("a NUL byte in the command".to_owned()))
    };
    let lists = texts(process.args()).and_then(|arguments| Ok((arguments, texts(process.env())?)));
    let (arguments, environment) = match lists {
        Ok(lists) => lists,
        Err(failure) => return failure,
    };
    let Ok(program) = CString::new(path.as_os_str().as_encoded_bytes()) else {
        return Failure::Invalid("a NUL byte in the command".to_owned());
    };
    let error = sys::execve(&program, &arguments, &environment);
    failure(
        &format!("exec: {}", quote(&path.to_string_lossy())),
        &error,
        None,
    )
}

/// Runs the program as the last step of libcontainer's init: variables keep their order, errors their kind.
#[derive(Clone)]
pub(super) struct Runner {
    pub report: Report,
    /// A small limit of open files, which would have hindered what came before.
    pub open_files: Option<(u64, u64)>,
    /// libcontainer takes none away: a filter can be set only by who has them all.
    pub privileges: Privileges,
}

impl Executor for Runner {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let process = spec.process().as_ref();
        let process = process
            .ok_or_else(|| ExecutorValidationError::ArgValidationError("no process".to_owned()))?;
        find(process).map(drop).map_err(|failure| {
            self.report.say(&failure);
            ExecutorValidationError::ArgValidationError("no program".to_owned())
        })
    }

    fn setup_envs(
        &self,
        _: std::collections::HashMap<String, String>,
    ) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let process = spec.process().as_ref().ok_or(ExecutorError::InvalidArg)?;
        if let Some((soft, hard)) = self.open_files {
            sys::set_open_files(soft, hard)
                .map_err(|error| ExecutorError::Other(error.to_string()))?;
        }
        let failure = match self.privileges.give_up_others() {
            Ok(()) => become_program(process),
            Err(failure) => failure,
        };
        self.report.say(&failure);
        Err(ExecutorError::Other("no program".to_owned()))
    }
}
