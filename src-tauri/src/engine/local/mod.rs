//! The system's own way to reach a server on the same machine: a unix socket, or a named pipe of Windows.
//!
//! Each system has the same few things: `SCHEME`, as in `unix:///path`; `path`, which reads what follows it; `shown`,
//! its opposite; `connect`; `client`; and `appears`, which waits for a server that isn't there yet.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{SCHEME, appears, client, connect, path, shown};
#[cfg(windows)]
pub use windows::{SCHEME, appears, client, connect, path, shown};

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream that HTTP can run over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
