//! What the engine asks a new shim for.

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
    pub log: crate::log::Config,
    /// Who is attached before the first byte: each gets every byte from the first.
    pub attach: Vec<AttachOptions>,
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
