//! What the engine asks a new shim for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::client::{AttachOptions, AttachStream};
use crate::{ContainerSpec, Dirs, Runtime};

/// All that a start needs.
#[derive(Debug)]
pub struct StartRequest {
    /// The container's folders; made where missing.
    pub dirs: Dirs,
    /// What to run.
    pub spec: ContainerSpec,
    /// By what.
    pub runtime: Runtime,
    /// Where its output is kept.
    pub log: LogConfig,
    /// Who is attached before the first byte: each gets every byte from the first.
    pub attach: Vec<AttachOptions>,
}

/// Where a container's output is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogConfig {
    /// Nowhere (`--log-driver none`).
    None,
    /// JSON lines in rotated files.
    Files {
        /// The folder, usually `<data>/log`.
        dir: PathBuf,
        /// Bytes of one file.
        max_size: u64,
        /// How many files, at least 1.
        max_files: u32,
    },
}

/// A started container.
#[derive(Debug)]
pub struct Started {
    /// Its first process, in the host's numbers.
    pub pid: u32,
    /// When that ran.
    pub started_at: OffsetDateTime,
    /// One stream for each of [`StartRequest::attach`], in order.
    pub attached: Vec<AttachStream>,
}
