//! Bytes both ways between two connections.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes that wait on the way of one direction: two frames of the tunnel.
const BUFFER: usize = 32 * 1024;

/// Copies both ways until both ends have ended; the end of one direction is passed on
/// and leaves the other running. Returns the bytes from `a` to `b`, and from `b` to `a`.
///
/// An error of either end ends both directions: the caller drops both, so that each
/// peer sees a reset rather than an end.
pub async fn copy_both<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    tokio::io::copy_bidirectional_with_sizes(a, b, BUFFER, BUFFER).await
}
