//! Saying and hearing at the same time.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::line::{Line, Scanner};
use super::{Agreed, MAX_BODY, channel_error};
use crate::TunnelError;

/// What ends a session at the other side that this side no longer knows of: more bytes than the
/// rest of a frame can be, none of them the start of one.
static BREAK: [u8; MAX_BODY + 16] = [0xff; MAX_BODY + 16];

/// Bytes that are read ahead while there is something to say.
const AHEAD: usize = 64 * 1024;

/// Both directions at once: neither side reads before it has written, so neither may wait with reading.
pub(super) struct Dialogue<T> {
    io: T,
    scanner: Scanner,
    said: Vec<u8>,
    heard: Vec<u8>,
    heard_start: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Dialogue<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io,
            scanner: Scanner::default(),
            said: BREAK.to_vec(),
            heard: Vec::new(),
            heard_start: 0,
        }
    }

    pub(super) fn say(&mut self, line: &Line) {
        self.said.extend_from_slice(line.to_string().as_bytes());
    }

    pub(super) fn say_break(&mut self) {
        self.said.extend_from_slice(&BREAK);
    }

    /// Writes all that is to be said, and reads meanwhile.
    pub(super) async fn say_all(&mut self) -> Result<(), TunnelError> {
        while !self.has_said_all() {
            self.turn().await?;
        }
        Ok(())
    }

    pub(super) fn has_said_all(&self) -> bool {
        self.said.is_empty()
    }

    /// Whether there is room for another answer to a peer that asks faster than it listens.
    pub(super) fn has_room(&self) -> bool {
        self.said.len() < 2 * BREAK.len()
    }

    /// Writes or reads something, whichever can be done first. Loses nothing when dropped.
    pub(super) async fn turn(&mut self) -> Result<(), TunnelError> {
        self.heard.drain(..std::mem::take(&mut self.heard_start));
        let mut chunk = [0; 4096];
        let Self {
            io, said, heard, ..
        } = self;
        let (mut read, mut write) = tokio::io::split(io);
        tokio::select! {
            read = read.read(&mut chunk), if said.is_empty() || heard.len() < AHEAD => match read {
                Ok(0) => Err(TunnelError::Ended),
                Ok(length) => {
                    heard.extend_from_slice(&chunk[..length]);
                    Ok(())
                }
                Err(error) => Err(channel_error(error)),
            },
            written = write.write(said), if !said.is_empty() => match written {
                Ok(0) => Err(TunnelError::Ended),
                Ok(length) => {
                    said.drain(..length);
                    Ok(())
                }
                Err(error) => Err(channel_error(error)),
            },
        }
    }

    /// The next line among the bytes that were read.
    pub(super) fn hear(&mut self) -> Option<Line> {
        while let Some(&byte) = self.unread().first() {
            self.heard_start += 1;
            let line = self.scanner.push(byte);
            if line.is_some() {
                return line;
            }
        }
        None
    }

    fn unread(&self) -> &[u8] {
        &self.heard[self.heard_start..]
    }

    pub(super) fn agree(self) -> Agreed<T> {
        Agreed {
            first: self.unread().to_vec(),
            io: self.io,
        }
    }
}
