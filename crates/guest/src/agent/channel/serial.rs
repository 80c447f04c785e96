//! A virtio-serial port: one device, whoever is at the host's end of it.
//!
//! While nobody is, the port reports a hang-up (`POLLHUP`), reads say "end" and writes "try again"
//! (`drivers/char/virtio_console.c`). A level-triggered wait would return at once for ever, and
//! tokio keeps a hang-up for final. (QEMU's own guest agent sleeps a fixed time between its tries.)
//! So the port is watched by an epoll of its own, edge-triggered: the
//! driver wakes it when a host comes or goes, and only then. Each session gets a
//! duplicate of the descriptor with a registration of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::super::sys::watched;

/// How often a port is tried that an earlier agent still has open.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The guest's end of a port.
pub struct Serial {
    port: OwnedFd,
    edges: AsyncFd<OwnedFd>,
}

impl Serial {
    /// Opens the device. The kernel lets only one process have it: the agent before this
    /// one may be about to end.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut tries = 0;
        let port = loop {
            match open(path, flags, Mode::empty()) {
                Err(Errno::BUSY) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                opened => break opened?,
            }
        };
        Self::over(port)
    }

    fn over(port: OwnedFd) -> io::Result<Self> {
        let edges = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&edges, &port, epoll::EventData::new_u64(0), events)?;
        Ok(Self {
            port,
            edges: watched(edges, Interest::READABLE)?,
        })
    }

    /// Waits until there is a host at the other end.
    pub async fn connected(&mut self) -> io::Result<SerialStream> {
        loop {
            let mut edge = self.edges.readable().await?;
            let mut events = [epoll::Event {
                flags: epoll::EventFlags::empty(),
                data: epoll::EventData::new_u64(0),
            }];
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // Taken before the state is looked at: what changes after that is another edge.
            epoll::wait(&self.edges, &mut events[..], Some(&now))?;
            edge.clear_ready();
            drop(edge);
            if !self.is_hung_up()? {
                let port = self.port.try_clone()?;
                return SerialStream::new(port);
            }
        }
    }

    fn is_hung_up(&self) -> io::Result<bool> {
        let mut port = [PollFd::new(&self.port, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut port, Some(&now))?;
        Ok(port[0].revents().contains(PollFlags::HUP))
    }
}

/// The port for as long as one host is at its other end.
pub struct SerialStream(AsyncFd<OwnedFd>);

impl SerialStream {
    fn new(port: OwnedFd) -> io::Result<Self> {
        watched(port, Interest::READABLE | Interest::WRITABLE).map(Self)
    }
}

impl AsyncRead for SerialStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match rustix::io::read(self.0.get_ref(), to.initialize_unfilled()) {
                Ok(length) => {
                    to.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {}
                // A hang-up that another host's coming has ended since: tokio would report it
                // for ever. It is the end of this session all the same.
                Err(Errno::AGAIN) if ready.ready().is_read_closed() => return Poll::Ready(Ok(())),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for SerialStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            match rustix::io::write(self.0.get_ref(), from) {
                Ok(length) => return Poll::Ready(Ok(length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if ready.ready().is_write_closed() => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_and_a_hang_up_is_the_end() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut host = tokio::net::UnixStream::from_std(theirs).unwrap();
        let mut serial = Serial::over(ours.into()).unwrap();
        let mut port = serial.connected().await.unwrap();
        host.write_all(b"hello").await.unwrap();
        let mut word = [0; 5];
        port.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"hello");
        let sent = vec![7; 1_000_000];
        let read = async {
            let mut received = vec![0; sent.len()];
            host.read_exact(&mut received).await.unwrap();
            received
        };
        let (written, received) = tokio::join!(port.write_all(&sent), read);
        written.unwrap();
        assert!(received == sent);
        drop(host);
        assert_eq!(port.read(&mut word).await.unwrap(), 0);
        // Nobody comes: it waits, and takes no time from others.
        drop(port);
        let waited = tokio::time::timeout(Duration::from_millis(100), serial.connected()).await;
        assert!(waited.is_err());
    }
}
