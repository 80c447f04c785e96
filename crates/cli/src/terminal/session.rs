//! Joins the person's standard streams to a process's: attach, run, exec.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::RawMode;
use super::detach::{DetachKeys, Typed};
use super::show::copy_out;
use crate::daemon::hijack::Hijacked;
use crate::error::Result;

const CHUNK: usize = 32 * 1024;

/// What of the person's streams takes part.
pub struct Session {
    /// The process has a terminal: keys go through one by one, and both outputs are one.
    pub tty: bool,
    /// Standard input is passed on.
    pub stdin: bool,
    /// The keys that leave.
    pub keys: DetachKeys,
}

/// How a session ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The process wrote its last.
    Output,
    /// The person left by the detach keys.
    Detached,
}

impl Session {
    /// Carries bytes both ways until the process's output ends or the person leaves. The terminal is as before
    /// afterwards.
    pub async fn run(self, hijacked: Hijacked) -> Result<Ended> {
        let raw = if self.tty && self.stdin {
            RawMode::enter()?
        } else {
            None
        };
        let Hijacked { mut output, input } = hijacked;
        let watch_keys = raw.is_some();
        let typing = async move {
            let mut input = input;
            if self.stdin && type_in(&mut input, self.keys, watch_keys).await == Typing::Left {
                return;
            }
            // The process may go on writing without anybody typing; the other half stays open till then.
            let _held = input;
            std::future::pending().await
        };
        let ended = tokio::select! {
            result = copy_out(&mut output) => result.map(|()| Ended::Output),
            () = typing => Ok(Ended::Detached),
        };
        drop(raw);
        ended
    }
}

#[derive(PartialEq)]
enum Typing {
    Over,
    Left,
}

async fn type_in(
    input: &mut (impl tokio::io::AsyncWrite + Unpin),
    mut keys: DetachKeys,
    watch_keys: bool,
) -> Typing {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; CHUNK];
    // Errors of reading end the input, as the input's end does; errors of writing mean that nobody reads it.
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        let (bytes, leave) = if watch_keys {
            match keys.typed(&buffer[..read]) {
                Typed::Bytes(bytes) => (Bytes::from(bytes), false),
                Typed::Detach(bytes) => (Bytes::from(bytes), true),
            }
        } else {
            (Bytes::copy_from_slice(&buffer[..read]), false)
        };
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return if leave { Typing::Left } else { Typing::Over };
        }
        if leave {
            return Typing::Left;
        }
    }
    let _ = input.shutdown().await;
    Typing::Over
}
