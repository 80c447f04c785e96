//! From the reactor to a blocking thread: chunks of a stream, read there as a `BufRead`.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Chunks in flight between the two; a chunk is at most some 64 KiB, so this bounds memory.
const DEPTH: usize = 16;

/// What the reactor sends. Dropping the sender without `End` makes the reader fail: so a cancelled job ends.
pub(crate) enum Feed {
    Data(Bytes),
    End,
}

/// The blocking end.
pub(crate) struct Source {
    chunks: mpsc::Receiver<Feed>,
    current: Bytes,
    ended: bool,
}

pub(crate) fn feed() -> (mpsc::Sender<Feed>, Source) {
    let (sender, chunks) = mpsc::channel(DEPTH);
    (
        sender,
        Source {
            chunks,
            current: Bytes::new(),
            ended: false,
        },
    )
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Feed::Data(bytes)) => self.current = bytes,
                Some(Feed::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the stream was cut off",
                    ));
                }
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, len: usize) {
        self.current.advance(len);
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}

/// `Read` of what is a `BufRead` by nature.
pub(crate) fn read_buffered(from: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
    let buffer = from.fill_buf()?;
    let len = buffer.len().min(into.len());
    into[..len].copy_from_slice(&buffer[..len]);
    from.consume(len);
    Ok(len)
}
