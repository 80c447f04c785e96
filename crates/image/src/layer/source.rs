//! From the reactor to a blocking thread: chunks of a stream, read there as a `BufRead`.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Chunks in flight between the two; a chunk is at most some 64 KiB, so this bounds memory.
const DEPTH: usize = 16;

/// What the reactor sends. Dropping the sender makes the reader fail: so a cancelled job ends. The sender is kept until
/// the work is done, also behind `End`: see [`Wanted`].
pub(crate) enum Feed {
    Data(Bytes),
    End,
}

/// Whether someone still waits for what a stream becomes. The stream itself can't tell: a few bytes of it that are here
/// already may inflate for minutes.
#[derive(Clone)]
pub(crate) struct Wanted(Option<mpsc::WeakSender<Feed>>);

impl Wanted {
    /// Of work that is done for its own sake.
    pub(crate) const ALWAYS: Wanted = Wanted(None);

    /// Fails once nobody waits any more.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.0 {
            Some(sender) if sender.strong_count() == 0 => Err(cut_off()),
            _ => Ok(()),
        }
    }

    /// A reader that fails once nobody waits any more.
    pub(crate) fn watch<R>(&self, reader: R) -> Watched<R> {
        Watched {
            reader,
            wanted: self.clone(),
        }
    }
}

/// See [`Wanted::watch`].
pub(crate) struct Watched<R> {
    reader: R,
    wanted: Wanted,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wanted.check()?;
        self.reader.read(into)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the stream was cut off")
}

/// The blocking end.
pub(crate) struct Source {
    chunks: mpsc::Receiver<Feed>,
    wanted: Wanted,
    current: Bytes,
    ended: bool,
}

impl Source {
    pub(crate) fn wanted(&self) -> Wanted {
        self.wanted.clone()
    }
}

pub(crate) fn feed() -> (mpsc::Sender<Feed>, Source) {
    let (sender, chunks) = mpsc::channel(DEPTH);
    let wanted = Wanted(Some(sender.downgrade()));
    (
        sender,
        Source {
            chunks,
            wanted,
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
                None => return Err(cut_off()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (sender, source) = feed();
        let wanted = source.wanted();
        // Endless, as what a small stream inflates to.
        let mut zeros = wanted.watch(io::repeat(0));
        sender.send(Feed::End).await.expect("room");
        assert_eq!(zeros.read(&mut [1]).expect("wanted"), 1);
        drop(sender);
        let error = zeros.read(&mut [1]).expect_err("nobody waits");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert!(Wanted::ALWAYS.check().is_ok());
    }
}
