//! A container's exit, waited for.

use serde::Deserialize;

use crate::app::App;
use crate::daemon::lines::Values;
use crate::daemon::{Call, segment};
use crate::error::{CliError, Result};

/// An exit code as this program can pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// A verb's result: what isn't 0 is this program's exit code too.
    pub fn as_result(self) -> Result<()> {
        match self.0 {
            0 => Ok(()),
            code => Err(CliError::Exit(code)),
        }
    }
}

/// The daemon has been asked, and will say when the container exits.
pub struct Waiting(Values);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    status_code: i64,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerError {
    #[serde(default)]
    message: String,
}

/// Asks to be told of the exit; returns when the daemon has taken note. `condition` is the API's: `not-running`,
/// `next-exit` or `removed`.
pub async fn waiting(app: &App, id: &str, condition: &str) -> Result<Waiting> {
    let path = format!("/containers/{}/wait", segment(id));
    let call = Call::post(&path).query("condition", condition);
    Ok(Waiting(app.daemon()?.values(call).await?))
}

impl Waiting {
    /// The exit's whole code.
    pub async fn status(mut self) -> Result<i64> {
        let answer: Answer = self.0.next().await?.ok_or_else(|| {
            CliError::Connection(std::io::Error::other("it ended before the container did"))
        })?;
        match answer.error {
            Some(error) if !error.message.is_empty() => Err(CliError::Invalid(error.message)),
            _ => Ok(answer.status_code),
        }
    }

    /// The exit's code as a process has it.
    pub async fn code(self) -> Result<Exit> {
        let status = self.status().await?;
        // Docker's codes are of a byte; what isn't is a failure all the same.
        Ok(Exit(u8::try_from(status & 0xff).unwrap_or(u8::MAX)))
    }
}
