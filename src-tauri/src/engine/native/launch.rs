//! Starting `gantryd` where none answers.
//!
//! It is found beside the app's own binary, else on `PATH`. Root runs it as it is; anyone else is asked by the
//! desktop's own dialog (`pkexec`). Its words go to a log file rather than a pipe, because it outlives the app.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::group::{GroupError, private_group};
use crate::engine::AwayReason;
use crate::engine::endpoint::NATIVE_SOCKET;
use crate::engine::sys::PathWatch;
use crate::program::{self, Missing};

/// What gantryd says when it answers requests.
const READY: &str = "listening on";

/// How much of the log is told when gantryd ends: its last words.
const LAST_WORDS: usize = 2000;

/// Why it can't be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Nowhere to be found.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// There is no way to ask for permission.
    #[error("pkexec is not on PATH; as root, run: {command}")]
    NoPkexec {
        /// What would have been run.
        command: String,
    },
    /// Permission was not given.
    #[error("permission to start the engine was not given")]
    Declined,
    /// Nobody could be asked, or may give it.
    #[error("{last_words}")]
    NotAsked {
        /// What pkexec said.
        last_words: String,
    },
    /// The socket can't be handed to the person.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// It ended before it answered.
    #[error("{last_words}")]
    Ended {
        /// The end of its log.
        last_words: String,
    },
    /// The log file can't be written.
    #[error("{}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// No folder for the log file.
    #[error("HOME is not set: there is no folder for the engine's log")]
    NoHome,
    /// The program can't be run.
    #[error("{}: {source}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

impl LaunchError {
    /// The kind that the page branches on.
    pub fn reason(&self) -> AwayReason {
        match self {
            Self::Missing(_) => AwayReason::BinaryMissing,
            Self::NoPkexec { .. } | Self::NotAsked { .. } => AwayReason::NoPrivilege,
            Self::Declined => AwayReason::Declined,
            Self::Group(_) => AwayReason::SharedGroup,
            Self::Ended { .. } | Self::Log { .. } | Self::NoHome | Self::Run { .. } => {
                AwayReason::Ended
            }
        }
    }
}

/// Starts `gantryd` for `socket` and waits until it answers or ends. `asking` is called before the desktop's dialog
/// for permission appears.
pub async fn start(socket: &Path, asking: impl FnOnce()) -> Result<(), LaunchError> {
    let uid = rustix::process::getuid().as_raw();
    let gantryd = program::beside_or_on_path("gantryd")?;
    let mut arguments: Vec<String> = Vec::new();
    if let Some(file) = std::env::var("GANTRY_CONFIG")
        .ok()
        .filter(|file| !file.is_empty())
    {
        let file = std::path::absolute(&file).unwrap_or_else(|_| file.into());
        arguments.extend(["--config-file".into(), file.to_string_lossy().into_owned()]);
    }
    if socket != Path::new(NATIVE_SOCKET) {
        arguments.extend(["--host".into(), format!("unix://{}", socket.display())]);
    }
    let (program, arguments) = if uid == 0 {
        (gantryd, arguments)
    } else {
        arguments.extend(["--group".into(), private_group(uid).await?]);
        let Some(pkexec) = program::on_path("pkexec") else {
            return Err(LaunchError::NoPkexec {
                command: format!("{} {}", gantryd.display(), arguments.join(" ")),
            });
        };
        // Its own way to ask reads a terminal that the app is in the background of, and would wait there for ever.
        arguments.insert(0, "--disable-internal-agent".into());
        arguments.insert(1, gantryd.to_string_lossy().into_owned());
        asking();
        (pkexec, arguments)
    };

    let path = log_file(uid)?;
    let log_error = |source| LaunchError::Log {
        path: path.clone(),
        source,
    };
    let mut log = Log::create(&path).map_err(log_error)?;
    let mut child = program::lasting(Command::new(&program))
        .args(&arguments)
        .current_dir("/")
        // Its last words are for a person.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.writer().map_err(log_error)?)
        .spawn()
        .map_err(|source| LaunchError::Run {
            program: program.clone(),
            source,
        })?;
    await_ready(&mut child, &mut log, uid != 0)
        .await
        .map_err(|error| match error {
            Waiting::Launch(error) => error,
            Waiting::Log(source) => log_error(source),
        })?;
    // Reaps it when it ends while the app still runs.
    tokio::spawn(async move { child.wait().await });
    Ok(())
}

enum Waiting {
    Launch(LaunchError),
    Log(std::io::Error),
}

async fn await_ready(child: &mut Child, log: &mut Log, by_pkexec: bool) -> Result<(), Waiting> {
    loop {
        if log.says_ready().map_err(Waiting::Log)? {
            return Ok(());
        }
        tokio::select! {
            changed = log.watch.changed() => changed.map_err(Waiting::Log)?,
            status = child.wait() => {
                let status = status.map_err(Waiting::Log)?;
                let mut last_words = log.last_words().map_err(Waiting::Log)?;
                if last_words.is_empty() {
                    let ended = if by_pkexec { "pkexec" } else { "gantryd" };
                    last_words = format!("{ended} ended: {status}");
                }
                return Err(Waiting::Launch(match status.code() {
                    // pkexec: the person dismissed the dialog.
                    Some(126) if by_pkexec => LaunchError::Declined,
                    // They may not, or nobody could ask.
                    Some(127) if by_pkexec => LaunchError::NotAsked { last_words },
                    _ => LaunchError::Ended { last_words },
                }));
            }
        }
    }
}

/// The engine's log: its writer end is the child's stderr.
struct Log {
    file: File,
    watch: PathWatch,
    offset: u64,
    said: String,
}

impl Log {
    fn create(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // A new file each time: an engine that still runs goes on writing to the old one.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            watch: PathWatch::new(path)?,
            offset: 0,
            said: String::new(),
        })
    }

    fn writer(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Reads what is new, from the shared position: the writer appends, so it is nobody else's.
    fn says_ready(&mut self) -> std::io::Result<bool> {
        let mut bytes = Vec::new();
        self.file.seek(std::io::SeekFrom::Start(self.offset))?;
        self.offset += (&self.file).take(1 << 20).read_to_end(&mut bytes)? as u64;
        self.said.push_str(&String::from_utf8_lossy(&bytes));
        Ok(self.said.contains(READY))
    }

    fn last_words(&mut self) -> std::io::Result<String> {
        self.says_ready()?;
        let from = self
            .said
            .char_indices()
            .rev()
            .nth(LAST_WORDS)
            .map_or(0, |(at, _)| at);
        Ok(self.said[from..].trim().to_owned())
    }
}

fn log_file(uid: u32) -> Result<PathBuf, LaunchError> {
    let folder = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = match (folder("XDG_STATE_HOME"), folder("HOME")) {
        (Some(state), _) => state.join("gantry"),
        (None, Some(home)) => home.join(".local/state/gantry"),
        (None, None) if uid == 0 => "/var/log/gantry".into(),
        (None, None) => return Err(LaunchError::NoHome),
    };
    Ok(state.join("gantryd.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a program that says and does this in the place of pkexec or gantryd.
    async fn told(script: &str, by_pkexec: bool) -> Option<LaunchError> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Log::create(&folder.path().join("log")).expect("a log");
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stderr(log.writer().expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("sh");
        match await_ready(&mut child, &mut log, by_pkexec).await {
            Ok(()) => None,
            Err(Waiting::Launch(error)) => Some(error),
            Err(Waiting::Log(error)) => panic!("the log: {error}"),
        }
    }

    #[tokio::test]
    async fn an_end_before_the_first_answer_is_told_by_its_reason() {
        let declined = told("echo dismissed >&2; exit 126", true).await;
        assert!(
            matches!(declined, Some(LaunchError::Declined)),
            "{declined:?}"
        );
        let nobody = told("echo No authentication agent found. >&2; exit 127", true).await;
        assert_eq!(
            nobody.as_ref().map(LaunchError::reason),
            Some(AwayReason::NoPrivilege)
        );
        assert_eq!(
            nobody.map(|error| error.to_string()).as_deref(),
            Some("No authentication agent found.")
        );
        let ended = told("echo the disk is gone >&2; exit 1", true).await;
        assert!(
            matches!(&ended, Some(LaunchError::Ended { last_words }) if last_words == "the disk is gone"),
            "{ended:?}"
        );
        let silent = told("exit 127", false).await;
        assert!(
            matches!(&silent, Some(LaunchError::Ended { last_words }) if last_words.contains("127")),
            "{silent:?}"
        );
    }

    #[tokio::test]
    async fn it_is_ready_when_it_says_so() {
        let told = told("echo listening on unix:///x >&2; exec sleep 600", false).await;
        assert!(told.is_none(), "{told:?}");
    }
}
