//! Progress of pulls, loads and imports: live bars on a terminal, plain lines elsewhere, as docker shows them.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;

use super::{printable, units};
use crate::daemon::lines::Values;
use crate::error::{CliError, Result};

/// More bars than this are not drawn: a hostile daemon could name any number of layers.
const MAX_BARS: usize = 512;

const PLAIN: &str = "{prefix}: {msg}";
const MEASURED: &str = "{prefix}: {msg} [{bar:50}]";

/// One message of the daemon about a long job.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Words to be shown as they are.
    pub stream: Option<String>,
    /// What is happening.
    pub status: Option<String>,
    /// To what: a layer.
    pub id: Option<String>,
    /// How far it is.
    #[serde(rename = "progressDetail")]
    pub detail: Option<Detail>,
    /// The job failed.
    pub error: Option<String>,
    /// The same with a code.
    #[serde(rename = "errorDetail")]
    pub error_detail: Option<ErrorDetail>,
    /// Machine-readable results.
    pub aux: Option<Value>,
}

/// How far a layer is, in bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Detail {
    current: Option<u64>,
    total: Option<u64>,
}

/// Why a job failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    message: Option<String>,
}

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// On standard output, as data of the verb.
    Stdout,
    /// On standard error, beside the verb's data.
    Stderr,
    /// Nowhere.
    Nowhere,
}

/// Shows the messages of one job.
pub struct Progress {
    show: Show,
    bars: Option<(MultiProgress, HashMap<String, ProgressBar>)>,
}

impl Progress {
    /// Progress shown at `show`: with bars where that is a terminal.
    pub fn new(show: Show) -> Progress {
        let target = match show {
            Show::Stdout if std::io::stdout().is_terminal() => Some(ProgressDrawTarget::stdout()),
            Show::Stderr if std::io::stderr().is_terminal() => Some(ProgressDrawTarget::stderr()),
            _ => None,
        };
        let bars = target.map(|target| (MultiProgress::with_draw_target(target), HashMap::new()));
        Progress { show, bars }
    }

    /// Shows all of `values` up to the job's end; its failure is an error.
    pub async fn follow(mut self, mut values: Values) -> Result<()> {
        while let Some(message) = values.next::<Message>().await? {
            self.message(&message)?;
        }
        Ok(())
    }

    /// Shows one message; a failure is an error.
    pub fn message(&mut self, message: &Message) -> Result<()> {
        let detail = message
            .error_detail
            .as_ref()
            .and_then(|detail| detail.message.as_ref());
        if let Some(error) = detail.or(message.error.as_ref()) {
            return Err(CliError::Invalid(printable(error)));
        }
        if let Some(text) = &message.stream {
            return self.plain(text);
        }
        let Some(status) = &message.status else {
            return Ok(());
        };
        let status = printable(status);
        let id = message
            .id
            .as_deref()
            .map(printable)
            .filter(|id| !id.is_empty());
        let measured = message.detail.as_ref().and_then(|detail| {
            let current = detail.current?;
            Some((current, detail.total.filter(|total| *total > 0)))
        });
        match (&mut self.bars, id) {
            (Some((all, bars)), Some(id)) => {
                if bars.len() >= MAX_BARS && !bars.contains_key(&id) {
                    return Ok(());
                }
                let bar = bars.entry(id.clone()).or_insert_with(|| {
                    // All it shows is set before it is shown.
                    let bar = ProgressBar::new(0).with_style(style(PLAIN)).with_prefix(id);
                    all.add(bar.with_message(status.clone()))
                });
                draw(bar, status, measured);
                Ok(())
            }
            // Without a terminal only the steps are told, not the bytes.
            (None, _) if measured.is_some() => Ok(()),
            (_, Some(id)) => self.plain(&format!("{id}: {status}\n")),
            (_, None) => self.plain(&format!("{status}\n")),
        }
    }

    fn plain(&mut self, text: &str) -> Result<()> {
        let write = || match self.show {
            Show::Stdout => super::print(text),
            // Standard error may be closed: the job goes on.
            Show::Stderr => {
                let _ = std::io::stderr().write_all(text.as_bytes());
                Ok(())
            }
            Show::Nowhere => Ok(()),
        };
        match &self.bars {
            Some((all, _)) => all.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((_, bars)) = &self.bars {
            for bar in bars.values() {
                bar.abandon();
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn draw(bar: &ProgressBar, status: String, measured: Option<(u64, Option<u64>)>) {
    match measured {
        Some((current, Some(total))) => {
            bar.set_style(style(MEASURED));
            bar.set_length(total);
            bar.set_position(current.min(total));
            let size = |bytes: u64| units::decimal(bytes as f64, 4);
            bar.set_message(format!("{status} {}/{}", size(current), size(total)));
        }
        Some((current, None)) => {
            bar.set_style(style(PLAIN));
            bar.set_message(format!("{status} {}", units::decimal(current as f64, 4)));
        }
        None => {
            bar.set_style(style(PLAIN));
            bar.set_message(status);
        }
    }
    bar.tick();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_stream_is_the_verbs_failure() {
        let mut progress = Progress::new(Show::Nowhere);
        let message: Message =
            serde_json::from_str(r#"{"errorDetail":{"message":"toomany\u001b[2J"},"error":"x"}"#)
                .unwrap();
        let error = progress.message(&message).unwrap_err();
        assert_eq!(error.to_string(), "toomany\\u{1b}[2J");
    }
}
