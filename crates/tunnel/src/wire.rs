//! Between yamux and the channel: what was read and what is to be written.
//!
//! yamux writes a frame's header and body apart and flushes after each. On a
//! virtio-serial port every write is an exit of the virtual machine, so frames
//! are gathered here and written together once yamux has no more to say.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

/// Bytes read from the channel at once.
const READ: usize = 64 * 1024;
/// From here on yamux must wait until something was written.
const WRITE: usize = 64 * 1024;
/// As far as [`Wire::relax`] goes.
const WRITE_MOST: usize = 1024 * 1024;

/// The two buffers, shared by the driver and by yamux's side of them ([`Port`]). Only the
/// driver's task touches either.
#[derive(Debug)]
struct Buffers {
    read: Vec<u8>,
    read_start: usize,
    read_end: usize,
    ended: bool,
    write: Vec<u8>,
    write_limit: usize,
}

/// The driver's side.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    io: T,
    buffers: Arc<Mutex<Buffers>>,
    written: usize,
}

/// yamux's side.
#[derive(Debug)]
pub(crate) struct Port(Arc<Mutex<Buffers>>);

fn lock(buffers: &Mutex<Buffers>) -> std::sync::MutexGuard<'_, Buffers> {
    buffers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Wire<T> {
    /// Over `io`, of which `first` was read already.
    pub(crate) fn new(io: T, first: &[u8]) -> (Self, Port) {
        let mut read = vec![0; READ.max(first.len())];
        read[..first.len()].copy_from_slice(first);
        let buffers = Arc::new(Mutex::new(Buffers {
            read,
            read_start: 0,
            read_end: first.len(),
            ended: false,
            write: Vec::with_capacity(2 * WRITE),
            write_limit: WRITE,
        }));
        let port = Port(buffers.clone());
        (
            Self {
                io,
                buffers,
                written: 0,
            },
            port,
        )
    }

    /// Reads once if all that was read before has been taken. Whether anything came, or the end.
    pub(crate) fn fill(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut buffers = lock(&self.buffers);
        if buffers.read_start < buffers.read_end || buffers.ended {
            return Ok(false);
        }
        let mut room = ReadBuf::new(&mut buffers.read);
        match Pin::new(&mut self.io).poll_read(cx, &mut room) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                let length = room.filled().len();
                (buffers.read_start, buffers.read_end) = (0, length);
                buffers.ended = length == 0;
                Ok(true)
            }
        }
    }

    /// Writes what there is, as far as the channel takes it. Whether it took anything.
    pub(crate) fn drain(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut buffers = lock(&self.buffers);
        let mut moved = false;
        while self.written < buffers.write.len() {
            match Pin::new(&mut self.io).poll_write(cx, &buffers.write[self.written..]) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(length)) => {
                    self.written += length;
                    moved = true;
                }
            }
        }
        if moved {
            self.written = 0;
            buffers.write.clear();
            buffers.write_limit = WRITE;
            buffers.write.shrink_to(2 * WRITE);
        }
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.io).poll_flush(cx) {
            return Err(error);
        }
        Ok(moved)
    }

    /// Whether the channel has ended, and all that came before was taken.
    pub(crate) fn ended(&self) -> bool {
        let buffers = lock(&self.buffers);
        buffers.ended && buffers.read_start == buffers.read_end
    }

    /// Whether all was written.
    pub(crate) fn is_drained(&self) -> bool {
        lock(&self.buffers).write.is_empty()
    }

    /// Whether yamux had room to write all that it was asked to.
    pub(crate) fn has_room(&self) -> bool {
        let buffers = lock(&self.buffers);
        buffers.write.len() < buffers.write_limit
    }

    /// Lets yamux write on where it would else wait, with what was read left unread: it reads
    /// nothing while it owes an answer to a ping, so that two ends could wait for each other
    /// for good. Whether there is such a case, and still room.
    pub(crate) fn relax(&mut self) -> bool {
        let mut buffers = lock(&self.buffers);
        let stuck = buffers.read_start < buffers.read_end
            && buffers.write.len() >= buffers.write_limit
            && buffers.write_limit < WRITE_MOST;
        if stuck {
            buffers.write_limit = buffers.write.len() + READ;
        }
        stuck
    }
}

// The driver polls yamux again whenever either buffer has changed: no waker is kept here.
impl futures::io::AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = lock(&self.0);
        let length = to.len().min(buffers.read_end - buffers.read_start);
        if length == 0 {
            return if buffers.ended {
                Poll::Ready(Ok(0))
            } else {
                Poll::Pending
            };
        }
        let start = buffers.read_start;
        to[..length].copy_from_slice(&buffers.read[start..start + length]);
        buffers.read_start += length;
        Poll::Ready(Ok(length))
    }
}

impl futures::io::AsyncWrite for Port {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = lock(&self.0);
        if buffers.write.len() >= buffers.write_limit {
            return Poll::Pending;
        }
        buffers.write.extend_from_slice(from);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }
}
