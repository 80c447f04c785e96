//! What can go wrong, in a person's words, and the exit code each has.

use std::path::PathBuf;

use crate::daemon::transport::ConnectError;

/// The result of a verb.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The daemon refused.
    #[error("Error response from daemon: {message}")]
    Daemon {
        /// The HTTP status.
        status: u16,
        /// The daemon's words.
        message: String,
    },
    /// Nothing listens at the endpoint.
    #[error(
        "Cannot connect to the engine at {endpoint}: {}.\n{}",
        plain(.source), hint(.endpoint, .source)
    )]
    Connect {
        /// The endpoint's address.
        endpoint: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The connection broke in the middle of a call.
    #[error("the connection to the engine broke: {}", plain(.0))]
    Connection(std::io::Error),
    /// The daemon's answer isn't what the API says.
    #[error("the engine's answer to {path} could not be read: {source}")]
    Answer {
        /// The call.
        path: String,
        /// What is wrong in it.
        source: serde_json::Error,
    },
    /// A file of this machine could not be read or written.
    #[error("{action} {path}: {}", plain(.source), path = .path.display())]
    File {
        /// What was tried, as "open" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The terminal could not be used.
    #[error("the terminal could not be {action}: {}", plain(.source))]
    Terminal {
        /// What was tried, in the past tense.
        action: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Standard output is closed: whoever read it has gone.
    #[error("standard output is closed")]
    OutputClosed,
    /// A flag's value, a name or a combination that means nothing.
    #[error("{0}")]
    Invalid(String),
    /// A `--format` that doesn't parse or doesn't fit the data.
    #[error("template parsing error: {0}")]
    Template(#[from] crate::template::TemplateError),
    /// Some of the things named failed; each has been reported.
    #[error("")]
    Reported,
    /// A process ended with this code; there is nothing to say about it.
    #[error("")]
    Exit(u8),
    /// An error whose exit code docker fixes (`run`, `create`: 125, 126, 127).
    #[error("{prefix}{source}{suffix}")]
    Coded {
        /// The exit code.
        code: u8,
        /// Goes before the error's words.
        prefix: &'static str,
        /// The error.
        source: Box<CliError>,
        /// Goes after them.
        suffix: &'static str,
    },
}

/// What the kernel said, without its number: nobody reads that.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => text.replace(&format!(" (os error {number})"), ""),
        None => text,
    }
}

fn hint(endpoint: &str, source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "Your user may not use it: run as root, or join the group that owns the socket.".to_owned()
        }
        _ if endpoint.ends_with("/gantry/gantry.sock") => {
            "Is gantryd running? Start it (`sudo gantryd`, or open Gantry), or name another engine by -H or DOCKER_HOST.".to_owned()
        }
        _ => "Is an engine running there? Name another by -H, --context or DOCKER_HOST.".to_owned(),
    }
}

impl CliError {
    /// A sentence of ours.
    pub fn invalid(message: impl Into<String>) -> CliError {
        CliError::Invalid(message.into())
    }

    /// A file's error.
    pub fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::File {
            action,
            path,
            source,
        }
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Exit(code) | CliError::Coded { code, .. } => *code,
            // As if the shell had seen SIGPIPE end us.
            CliError::OutputClosed => 141,
            _ => 1,
        }
    }

    /// Whether there is anything to tell on standard error.
    pub fn is_silent(&self) -> bool {
        matches!(
            self,
            CliError::Reported | CliError::Exit(_) | CliError::OutputClosed
        )
    }

    /// Whether the daemon says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CliError::Daemon { status: 404, .. })
    }
}

impl From<bollard::errors::Error> for CliError {
    fn from(error: bollard::errors::Error) -> CliError {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => CliError::Daemon {
                status: status_code,
                message,
            },
            Error::DockerStreamError { error } => CliError::Invalid(error),
            Error::IOError { err } => match err.downcast::<ConnectError>() {
                Ok(ConnectError { endpoint, source }) => CliError::Connect { endpoint, source },
                Err(err) => CliError::Connection(err),
            },
            Error::JsonDataError { message, .. } => {
                CliError::Invalid(format!("the engine's answer could not be read: {message}"))
            }
            Error::JsonSerdeError { err } => {
                CliError::Invalid(format!("the engine's answer could not be read: {err}"))
            }
            other => CliError::Connection(std::io::Error::other(other)),
        }
    }
}

impl From<http::Error> for CliError {
    fn from(error: http::Error) -> CliError {
        CliError::Connection(std::io::Error::other(error))
    }
}
