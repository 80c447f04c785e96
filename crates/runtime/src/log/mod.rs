//! Log files of a container: written by its shim, read by the engine.
//!
//! # On disk
//! `json.log` is the file being written; a full one becomes `json.log.<n>`, where `n` only ever grows, so a reader
//! that follows never sees a file change its name twice, and the oldest are deleted. Each line is one entry, as
//! Docker's `json-file` driver writes it:
//!
//! ```json
//! {"log":"hello\n","stream":"stdout","time":"2026-11-24T16:04:02.123456789Z"}
//! ```
//!
//! An entry without a newline at the end of `log` is a part of a longer line: lines over 16 KiB are split, and what a
//! process leaves unfinished at its end is kept as it is. Bytes that aren't UTF-8 have no place in JSON: `log` then
//! holds them replaced by U+FFFD, for tools that know Docker's format, and one more field, `"raw"`, holds all bytes of
//! the entry in Base64, so that `logs` gives back exactly what was written.
//!
//! A line cut off by a crash is passed over by the reader and closed by the next writer.
//!
//! Not for: sending logs elsewhere; the stream format of the API (that is `gantry-api`'s).

mod config;
mod files;
mod follow;
mod line;
mod read;
mod seek;
mod sys;
mod write;

#[cfg(test)]
mod tests;

pub use config::{Config, ConfigError, Driver};
pub use follow::{Entries, read};
pub use line::parse;
pub use write::Writer;

use std::io;
use std::path::PathBuf;

use time::OffsetDateTime;

/// Longest piece of a line in one entry; longer lines are split, as Docker splits them.
pub const LONGEST_PIECE: usize = 16 * 1024;

/// Which of a process's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// File descriptor 1; with a terminal: all output.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

impl Stream {
    /// As the file says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line that a container wrote, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the shim read it.
    pub time: OffsetDateTime,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written, with its newline where it had one.
    pub bytes: Vec<u8>,
}

/// Which entries to read.
#[derive(Debug, Clone)]
pub struct Query {
    /// Give what was written to standard output.
    pub stdout: bool,
    /// Give what was written to standard error.
    pub stderr: bool,
    /// Nothing older than this.
    pub since: Option<OffsetDateTime>,
    /// Nothing newer than this.
    pub until: Option<OffsetDateTime>,
    /// Only the last so many entries, counted over both streams before the other conditions, as Docker counts.
    pub tail: Option<usize>,
    /// Go on with what is written from now on.
    pub follow: bool,
}

impl Default for Query {
    /// Everything there is.
    fn default() -> Self {
        Self {
            stdout: true,
            stderr: true,
            since: None,
            until: None,
            tail: None,
            follow: false,
        }
    }
}

/// A log that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file or folder of the log failed.
    #[error("cannot {verb} the log {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The blocking task that read was lost (the engine is ending).
    #[error("the log's reader was stopped")]
    Stopped,
}
