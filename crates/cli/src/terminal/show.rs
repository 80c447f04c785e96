//! Writes a process's output to standard output and standard error.

use std::io::Write;

use bytes::Bytes;
use gantry_api::StreamKind;
use tokio::sync::mpsc::{Receiver, channel};

use crate::daemon::hijack::Output;
use crate::error::{CliError, Result};
use crate::output;

type Piece = (StreamKind, Bytes);

/// How many pieces may wait to be written.
const WAITING: usize = 64;
/// Up to so many bytes are written at once.
const AT_ONCE: usize = 64 * 1024;

/// Writes `source` up to its end. A thread of its own writes, since a terminal or a pipe may make it wait; what has come
/// meanwhile goes out in one piece, since a log comes line by line.
pub async fn copy_out(source: &mut Output) -> Result<()> {
    let (pieces, waiting) = channel(WAITING);
    let mut writing = tokio::task::spawn_blocking(|| write(waiting));
    let reading = async move {
        while let Some((kind, bytes)) = source.next().await? {
            if kind == StreamKind::System {
                return Err(CliError::Invalid(format!(
                    "error from daemon in stream: {}",
                    String::from_utf8_lossy(&bytes)
                )));
            }
            if pieces.send((kind, bytes)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let read = tokio::select! {
        // Nobody takes it any more.
        written = &mut writing => return finished(written),
        read = reading => read,
    };
    finished(writing.await)?;
    read
}

fn finished(written: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    written.map_err(|error| CliError::Connection(std::io::Error::other(error)))?
}

fn write(mut waiting: Receiver<Piece>) -> Result<()> {
    let mut next = waiting.blocking_recv();
    while let Some((kind, bytes)) = next.take() {
        let mut all = Vec::from(bytes);
        while all.len() < AT_ONCE
            && next.is_none()
            && let Ok((its_kind, bytes)) = waiting.try_recv()
        {
            if its_kind == kind {
                all.extend_from_slice(&bytes);
            } else {
                next = Some((its_kind, bytes));
            }
        }
        match kind {
            // Whoever closed standard error doesn't want it; standard output goes on.
            StreamKind::Stderr => drop(std::io::stderr().write_all(&all)),
            _ => output::write(&all)?,
        }
        next = next.or_else(|| waiting.blocking_recv());
    }
    Ok(())
}
