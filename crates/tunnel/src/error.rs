//! What ends a tunnel, and what keeps a stream from opening.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::Refusal;

/// Why a tunnel could not begin, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The channel below was closed by its other end.
    #[error("the channel to the other side was closed")]
    Ended,
    /// The channel below failed.
    #[error("the channel to the other side broke: {0}")]
    Io(#[source] io::Error),
    /// Both sides are Gantry, of versions that don't fit.
    #[error(
        "the other side speaks version {theirs} of the tunnel's protocol, this side speaks {ours}"
    )]
    Version {
        /// The version this side speaks.
        ours: u32,
        /// The version the other side named.
        theirs: u32,
    },
    /// What came can't have been sent by a tunnel, or belongs to another one:
    /// the other side was started anew, or is hostile.
    #[error("the other side broke the tunnel's protocol: {detail}")]
    Protocol {
        /// What was wrong.
        detail: String,
    },
    /// Nothing came for so long that the other side must be gone.
    #[error("the other side has been silent for {} s", .limit.as_secs())]
    Silent {
        /// How long was waited.
        limit: Duration,
    },
    /// The other side closed the tunnel as it should be closed.
    #[error("the other side closed the tunnel")]
    ClosedByPeer,
    /// This side closed it, or let go of every handle.
    #[error("the tunnel was closed")]
    Closed,
}

/// Why a stream did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The other side heard what it is for, and said no.
    #[error("{0}")]
    Refused(Refusal),
    /// As many streams are open as this side opens at once.
    #[error("{limit} streams are open, which is the limit")]
    TooMany {
        /// How many may be open at once.
        limit: usize,
    },
    /// What the stream is for doesn't fit its header.
    #[error("what the stream is for takes {length} bytes to say; {limit} is the limit")]
    TooLong {
        /// Bytes it would take.
        length: usize,
        /// Bytes there are.
        limit: usize,
    },
    /// The stream ended, or something else than an answer came.
    #[error("no answer came to the wish for a stream: {0}")]
    NoAnswer(#[source] io::Error),
    /// The tunnel is over.
    #[error("the tunnel is over: {0}")]
    Tunnel(Arc<TunnelError>),
}
