//! Bytes both ways between two connections.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that wait on the way of one direction.
const BUFFER: usize = 32 * 1024;

/// Copies both ways until both ends have ended; the end of one direction is passed on
/// and leaves the other running. Returns the bytes from `a` to `b`, and from `b` to `a`.
///
/// An end that reads no more ends the direction to it, and what it has still to say arrives: a
/// server may answer and leave without having heard all. Any other error of either
/// end ends both directions: the caller drops both, so that each peer sees a reset rather than an end.
pub async fn copy_both<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let (mut from_a, mut to_a) = tokio::io::split(a);
    let (mut from_b, mut to_b) = tokio::io::split(b);
    tokio::try_join!(copy(&mut from_a, &mut to_b), copy(&mut from_b, &mut to_a))
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        let length = from.read(&mut buffer).await?;
        let passed_on = async {
            match length {
                0 => to.shutdown().await,
                _ => {
                    to.write_all(&buffer[..length]).await?;
                    to.flush().await
                }
            }
        };
        match passed_on.await {
            Ok(()) if length > 0 => copied += length as u64,
            Ok(()) => return Ok(copied),
            Err(error) if reads_no_more(&error) => return Ok(copied),
            Err(error) => return Err(error),
        }
    }
}

fn reads_no_more(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected
    )
}
