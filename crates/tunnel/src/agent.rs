//! Calls of the guest's agent: a JSON line each, answered by a JSON line each, in order.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{LineError, Lines, OpenError, Purpose, Stream, Tunnel};

/// Most bytes of a call or a reply.
pub const MAX_LINE: usize = 256 * 1024;

/// What the host asks of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentCall {
    /// Set the guest's clock.
    Time {
        /// The host's time: nanoseconds since 1970, UTC.
        unix_nanos: u64,
    },
    /// Memory, disk, load.
    Figures,
    /// Give unused blocks of the data disk back to the host.
    Trim,
    /// Let go of memory that only caches files, so that the balloon or free page
    /// reporting can give it to the host.
    Reclaim,
    /// Write everything to the disk and turn the machine off.
    PowerOff,
    /// Write everything to the disk and start the machine anew.
    Reboot,
    /// Files below a share were changed on the host: let the guest's watchers know.
    Touch {
        /// Absolute paths in the guest.
        paths: Vec<PathBuf>,
    },
    /// Grow the file system of the data disk to the disk's present size.
    Grow,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentReply {
    /// It is done. For `PowerOff` and `Reboot`: it has begun.
    Done,
    /// To [`AgentCall::Time`].
    Time {
        /// How far the guest's clock was behind the host's, in nanoseconds; negative if it was ahead.
        behind_nanos: i64,
        /// Whether the clock was set at once (else it is brought near slowly, or was right).
        stepped: bool,
    },
    /// To [`AgentCall::Figures`].
    Figures(Figures),
    /// To [`AgentCall::Trim`].
    Trimmed {
        /// Bytes that the host was told are unused.
        bytes: u64,
    },
    /// To [`AgentCall::Reclaim`].
    Reclaimed {
        /// Free memory before.
        free_before: u64,
        /// Free memory after.
        free_after: u64,
    },
    /// To [`AgentCall::Touch`].
    Touched {
        /// How many of the paths watchers were told of.
        count: usize,
    },
    /// It could not be done.
    Failed {
        /// Why, for people.
        message: String,
    },
}

/// How the guest is doing. Bytes throughout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Memory that the guest's kernel has.
    pub memory_total: u64,
    /// Memory that could be had without swapping.
    pub memory_available: u64,
    /// Memory that nothing uses, not even as a cache.
    pub memory_free: u64,
    /// Size of the data disk's file system.
    pub disk_total: u64,
    /// What can still be written to it.
    pub disk_available: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Seconds since the guest's kernel started.
    pub uptime_seconds: f64,
}

/// Why a call had no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No stream to the agent.
    #[error("the agent can't be asked: {0}")]
    Open(#[from] OpenError),
    /// The stream to the agent failed.
    #[error("the agent's answer can't be read: {0}")]
    Line(#[from] LineError),
    /// The stream ended before the answer.
    #[error("the agent ended before it answered")]
    Ended,
    /// The agent tried and failed.
    #[error("the agent failed: {message}")]
    Failed {
        /// The agent's words.
        message: String,
    },
}

/// The host's side of a stream for [`Purpose::Agent`].
#[derive(Debug)]
pub struct Agent {
    lines: Lines<Stream>,
}

impl Agent {
    /// Opens a stream to the guest's agent.
    pub async fn open(tunnel: &Tunnel) -> Result<Self, AgentError> {
        let stream = tunnel.open(&Purpose::Agent).await?;
        Ok(Self {
            lines: Lines::new(stream, MAX_LINE),
        })
    }

    /// Asks and waits for the answer; [`AgentReply::Failed`] comes as an error.
    pub async fn call(&mut self, call: &AgentCall) -> Result<AgentReply, AgentError> {
        self.lines.send(call).await?;
        match self.lines.next().await? {
            None => Err(AgentError::Ended),
            Some(AgentReply::Failed { message }) => Err(AgentError::Failed { message }),
            Some(reply) => Ok(reply),
        }
    }
}
