//! One of the streams that a tunnel carries.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::io::{AsyncRead as _, AsyncWrite as _};
use futures::task::AtomicWaker;
use tokio::io::ReadBuf;
use tokio::sync::OwnedSemaphorePermit;

use crate::link::{Abort, Direction, Link};

/// A stream: bytes both ways, each with flow control of its own and an end of its own.
///
/// `shutdown` ends this side's direction. A stream that is dropped before both directions
/// have ended is reset: the other side gets an error, not an end. So does this side
/// where the other reset the stream or the tunnel broke, and nothing was lost silently.
#[derive(Debug)]
pub struct Stream {
    /// `None` only while it is dropped.
    inner: Option<yamux::Stream>,
    link: Arc<Link>,
    mark: Arc<Mark>,
    /// Bytes written.
    sent: u64,
    /// Bytes read.
    received: u64,
    /// This side ended its direction.
    shut: bool,
    /// The other side ended its direction.
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

/// Where the driver leaves word that the other side let a stream go.
///
/// yamux sends no reset for a stream one direction of which has ended, and keeps no
/// difference between a reset and an end; so the sides tell each other (`driver`).
#[derive(Debug)]
pub(crate) struct Mark {
    /// Bytes that the other side had written when it let go; [`HELD`] while it hasn't.
    sent: AtomicU64,
    /// The other side reads no more.
    deaf: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

const HELD: u64 = u64::MAX;

impl Default for Mark {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(HELD),
            deaf: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }
}

impl Mark {
    /// The other side let go after it had written `sent` bytes.
    pub(crate) fn let_go(&self, sent: u64) {
        self.sent.store(sent.min(HELD - 1), Ordering::Release);
        self.reader.wake();
        self.deafen();
    }

    /// The other side reads no more.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, Ordering::Release);
        self.writer.wake();
    }

    fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Acquire)
    }

    fn is_let_go(&self) -> bool {
        self.sent.load(Ordering::Acquire) != HELD
    }

    /// Whether the other side let go, and had not written more than `received` bytes.
    fn is_reached(&self, received: u64) -> bool {
        self.sent.load(Ordering::Acquire) <= received
    }
}

impl Stream {
    pub(crate) fn new(inner: yamux::Stream, link: Arc<Link>, permit: OwnedSemaphorePermit) -> Self {
        let mark = link.register(inner.id().val());
        Self {
            inner: Some(inner),
            link,
            mark,
            sent: 0,
            received: 0,
            shut: false,
            ended: false,
            _permit: permit,
        }
    }

    /// Why nothing more will come, if that isn't an end that the other side meant.
    fn failure(&self, inner: &yamux::Stream) -> Option<io::Error> {
        // After this, what the driver learnt together with the end is known here as well.
        self.link.settle();
        if self.mark.is_let_go() {
            return Some(reset());
        }
        if let Some(error) = self.link.over() {
            return Some(io::Error::new(io::ErrorKind::ConnectionAborted, error));
        }
        (!self.shut && inner.is_closed()).then(reset)
    }
}

fn reset() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionReset,
        "the other side let go of the stream",
    )
}

fn broken_pipe() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other side reads no more")
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl tokio::io::AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended || to.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(Err(gone()));
        };
        this.mark.reader.register(cx.waker());
        match Pin::new(&mut *inner).poll_read(cx, to.initialize_unfilled()) {
            Poll::Ready(Ok(0)) => {
                if let Some(inner) = this.inner.as_ref()
                    && let Some(error) = this.failure(inner)
                {
                    return Poll::Ready(Err(error));
                }
                this.ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(length)) => {
                this.received += length as u64;
                to.advance(length);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(match this.link.over() {
                Some(over) => io::Error::new(io::ErrorKind::ConnectionAborted, over),
                None => error,
            })),
            Poll::Pending if this.mark.is_reached(this.received) => Poll::Ready(Err(reset())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Stream {
    fn write_error(&self, error: io::Error) -> io::Error {
        match self.link.over() {
            Some(over) => io::Error::new(io::ErrorKind::ConnectionAborted, over),
            None if error.kind() == io::ErrorKind::WriteZero => io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the other side let go of the stream",
            ),
            None => error,
        }
    }

    fn poll_inner<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut yamux::Stream>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let this = self.get_mut();
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(Err(gone()));
        };
        this.mark.writer.register(cx.waker());
        if this.mark.is_deaf() {
            return Poll::Ready(Err(broken_pipe()));
        }
        match poll(Pin::new(inner), cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.write_error(error))),
            done => done,
        }
    }
}

impl tokio::io::AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        // An empty frame would cost a header and say nothing.
        if from.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = self
            .as_mut()
            .poll_inner(cx, |inner, cx| inner.poll_write(cx, from));
        if let Poll::Ready(Ok(length)) = written {
            self.sent += length as u64;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_inner(cx, |inner, cx| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        let done = self
            .as_mut()
            .poll_inner(cx, |inner, cx| inner.poll_close(cx));
        if let Poll::Ready(Ok(())) = done {
            self.shut = true;
        }
        done
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        self.link.forget(inner.id().val());
        let clean = self.shut && self.ended;
        if !clean && !self.mark.is_deaf() {
            let state = match self.shut {
                true => Direction::Ended,
                false => Direction::Open(self.sent),
            };
            self.link.abort(Abort {
                stream: inner,
                state,
            });
        }
    }
}
