//! What a person sees: tables, lines by a template, JSON; sizes and times; progress.
//!
//! Standard output is data, standard error is talk. All writing to standard output goes through here, so that a
//! reader who has gone (`| head`) ends the program quietly.

pub mod listing;
pub mod place;
pub mod progress;
pub mod table;
pub mod text;
pub mod time;
pub mod units;

use std::io::{ErrorKind, Write};

use crate::error::{CliError, Result};

/// Writes `text` to standard output.
pub fn print(text: &str) -> Result<()> {
    write(text.as_bytes())
}

/// Writes `text` and a newline to standard output.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Says how many bytes a prune gave back.
pub fn reclaimed(bytes: i64) -> Result<()> {
    line(format_args!(
        "Total reclaimed space: {}",
        units::decimal(bytes as f64, 4)
    ))
}

/// Writes bytes to standard output.
pub fn write(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(closed)
}

/// The error for a failed write to standard output.
pub fn closed(error: std::io::Error) -> CliError {
    match error.kind() {
        ErrorKind::BrokenPipe => CliError::OutputClosed,
        _ => CliError::file("write", "standard output")(error),
    }
}

/// Writes a sentence to standard error, made safe to show; where that is closed, nobody wants to know.
pub fn tell(text: impl std::fmt::Display) {
    let text = printable(&text.to_string());
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `text` made safe to show in a terminal: names from archives and registries may hold control characters.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '\n' | '\t' => vec![c],
            c if c.is_control() => c.escape_default().collect(),
            c => vec![c],
        })
        .collect()
}
