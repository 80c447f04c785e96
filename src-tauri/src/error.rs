//! What a command answers with when it fails.

use bollard::errors::Error as ClientError;
use serde::Serialize;

/// Why a command failed, for the page: it branches on `code`, and shows `message` as it is.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct CommandError {
    /// What kind of failure this is.
    pub code: ErrorCode,
    /// The sentence for the person.
    pub message: String,
}

/// The kinds of failure that the page treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No engine answers.
    EngineAway,
    /// The engine knows no such thing.
    NotFound,
    /// It is in a state that forbids this (in use, name taken, not running).
    Conflict,
    /// The engine refused what was asked.
    Refused,
    /// What the person typed can't be read.
    InvalidInput,
    /// The person cancelled it.
    Cancelled,
    /// Anything else.
    Failed,
}

impl CommandError {
    /// A failure of this kind, told in these words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The person cancelled it.
    pub fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "cancelled")
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::DockerResponseServerError {
                status_code,
                message,
            } => {
                let code = match status_code {
                    400 => ErrorCode::InvalidInput,
                    404 => ErrorCode::NotFound,
                    409 => ErrorCode::Conflict,
                    _ => ErrorCode::Refused,
                };
                Self::new(code, message)
            }
            ClientError::DockerStreamError { error } => Self::new(ErrorCode::Refused, error),
            ClientError::SocketNotFoundError(path) => Self::new(
                ErrorCode::EngineAway,
                format!("no engine listens at {path}"),
            ),
            ClientError::HyperLegacyError { err } => Self::new(
                ErrorCode::EngineAway,
                format!("the engine does not answer: {err}"),
            ),
            other => Self::new(ErrorCode::Failed, other.to_string()),
        }
    }
}
