//! Lines of JSON, of bounded length.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why a line could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// More bytes than may be came without an end of line.
    #[error("a line of more than {limit} bytes")]
    TooLong {
        /// Most bytes of a line.
        limit: usize,
    },
    /// The line isn't what is expected.
    #[error("not the JSON that is expected here: {0}")]
    Json(#[source] serde_json::Error),
}

/// A connection that carries a JSON value a line.
#[derive(Debug)]
pub struct Lines<S> {
    io: S,
    limit: usize,
    buffer: Vec<u8>,
}

impl<S> Lines<S> {
    /// Lines over `io`, each at most `limit` bytes long.
    pub fn new(io: S, limit: usize) -> Self {
        Self {
            io,
            limit,
            buffer: Vec::new(),
        }
    }

    /// The connection, for more than lines.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// The connection; bytes read beyond the last line are lost.
    pub fn into_inner(self) -> S {
        self.io
    }
}

impl<S: AsyncRead + Unpin> Lines<S> {
    /// The next value; `None` at the end. Dropped while it waits, it loses nothing.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..]
                .iter()
                .position(|&byte| byte == b'\n')
            {
                let line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(LineError::Json);
            }
            searched = self.buffer.len();
            if searched > self.limit {
                return Err(LineError::TooLong { limit: self.limit });
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return match searched {
                    0 => Ok(None),
                    _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Lines<S> {
    /// Writes a value and its end of line.
    pub async fn send(&mut self, value: &impl Serialize) -> Result<(), LineError> {
        let mut line = serde_json::to_vec(value).map_err(LineError::Json)?;
        line.push(b'\n');
        if line.len() > self.limit {
            return Err(LineError::TooLong { limit: self.limit });
        }
        self.io.write_all(&line).await?;
        self.io.flush().await?;
        Ok(())
    }
}
