//! One byte stream between host and guest that carries many.
//!
//! Below is any ordered byte stream: a virtio-serial port, vsock, hvsock, a
//! unix socket. [`connect`] (host) and [`accept`] (guest) agree on a session over it
//! ([`handshake`]); a session carries yamux streams, each opened for a
//! [`Purpose`]. A broken session ends all its streams with an error, and a new
//! one can begin on the same channel.
//!
//! The crate knows no machine and no engine, and runs on Linux, macOS and
//! Windows. `docs/machine.md` has the protocol to the byte.

#![forbid(unsafe_code)]

pub mod agent;
mod copy;
pub mod datagram;
mod driver;
mod error;
pub mod handshake;
mod header;
mod line;
mod link;
mod purpose;
pub mod resolve;
mod session;
pub mod shell;
mod stream;
mod wire;

pub use copy::copy_both;
pub use error::{OpenError, TunnelError};
pub use gantry_claim::{Claim, Protocol, Refusal, RefusalKind};
pub use header::MAX_HEADER;
pub use line::{LineError, Lines};
pub use purpose::{Answer, Purpose};
pub use session::{Incoming, Limits, Request, Tunnel, accept, connect};
pub use stream::Stream;
