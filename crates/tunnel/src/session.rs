//! A tunnel: opening streams, and being asked for them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::driver::{self, Side};
use crate::handshake::{self, Agreed};
use crate::header::{self, Reply};
use crate::link::Link;
use crate::{Answer, OpenError, Purpose, Refusal, RefusalKind, Stream, TunnelError};

/// How long a peer may take to say what a stream is for.
const HEADER: Duration = Duration::from_secs(10);

/// Requests that wait for [`Incoming::next`] before the streams behind them wait unread.
const WAITING: usize = 64;

/// How many streams may be open at once, by who opened them.
///
/// The side that opens counts and waits for nobody; the other side lets a few more be,
/// since it may learn of an end later. What goes beyond is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams that this side opens.
    pub outbound: usize,
    /// Streams that the other side opens.
    pub inbound: usize,
}

impl Limits {
    /// Of the host's end: many connections in, some claims and questions back.
    pub const HOST: Self = Self {
        outbound: 4096,
        inbound: 2048,
    };
    /// Of the guest's end.
    pub const GUEST: Self = Self {
        outbound: 1536,
        inbound: 5120,
    };

    const fn of(side: Side) -> Self {
        match side {
            Side::Host => Self::HOST,
            Side::Guest => Self::GUEST,
        }
    }
}

/// The host's end: agrees on a session over `io` with the guest. Waits for as long as no guest answers.
///
/// The session ends with its last handle ([`Tunnel`] or [`Stream`]), and drops `io` then.
pub async fn connect(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(Tunnel, Incoming), TunnelError> {
    Ok(begin(handshake::host(io).await?, Side::Host))
}

/// The guest's end: agrees on a session over `io` with a host. Waits for as long as no host comes.
pub async fn accept(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(Tunnel, Incoming), TunnelError> {
    Ok(begin(handshake::guest(io).await?, Side::Guest))
}

fn begin(
    agreed: Agreed<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
    side: Side,
) -> (Tunnel, Incoming) {
    let limits = Limits::of(side);
    let (requests, incoming) = mpsc::channel(WAITING);
    let link = driver::start(agreed, side, |link| {
        // The driver lives as long as handles do, so it holds none.
        let link = Arc::downgrade(link);
        let room = Arc::new(Semaphore::new(limits.inbound));
        move |stream| {
            let (Some(link), Ok(permit)) = (link.upgrade(), room.clone().try_acquire_owned())
            else {
                tracing::debug!(limit = limits.inbound, "a stream beyond the limit is reset");
                return;
            };
            tokio::spawn(greet(Stream::new(stream, link, permit), requests.clone()));
        }
    });
    let tunnel = Tunnel {
        link,
        room: Arc::new(Semaphore::new(limits.outbound)),
        limit: limits.outbound,
    };
    (tunnel, Incoming { requests: incoming })
}

/// Hears what a stream is for, and passes it on.
async fn greet(mut stream: Stream, requests: mpsc::Sender<Request>) {
    let heard = timeout(HEADER, async {
        let bytes = header::read_bytes(&mut stream).await?;
        header::write_heard(&mut stream).await?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = match heard.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return tracing::debug!(%error, "a stream without a header"),
        Err(_) => return tracing::debug!("a stream that doesn't say what it is for"),
    };
    match header::decode(&bytes) {
        // Fails where nobody takes requests: the stream is reset.
        Ok(purpose) => drop(requests.send(Request { purpose, stream }).await),
        Err(error) => {
            let refusal = Refusal::new(RefusalKind::Unsupported, error.to_string());
            if let Err(error) = answer(&mut stream, &Reply::Refused(refusal)).await {
                tracing::debug!(%error, "a stream that ended before its refusal");
            }
        }
    }
}

async fn answer(stream: &mut Stream, reply: &Reply) -> io::Result<()> {
    let bytes = header::encode(reply)
        .map_err(|too_long| io::Error::other(format!("an answer of {} bytes", too_long.length)))?;
    stream.write_all(&bytes).await
}

/// A session with the other side. Clones are handles of the same session.
#[derive(Debug, Clone)]
pub struct Tunnel {
    link: Arc<Link>,
    room: Arc<Semaphore>,
    limit: usize,
}

impl Tunnel {
    /// Opens a stream for `purpose`, and waits until the other side has agreed.
    pub async fn open(&self, purpose: &Purpose) -> Result<Stream, OpenError> {
        self.open_for_answer(purpose)
            .await
            .map(|(stream, _)| stream)
    }

    /// As [`Tunnel::open`], with what the other side said.
    pub async fn open_for_answer(&self, purpose: &Purpose) -> Result<(Stream, Answer), OpenError> {
        let wish = header::encode(purpose).map_err(|too_long| OpenError::TooLong {
            length: too_long.length,
            limit: header::MAX_HEADER,
        })?;
        let permit = self
            .room
            .clone()
            .try_acquire_owned()
            .map_err(|_| OpenError::TooMany { limit: self.limit })?;
        let stream = self.link.open().await.map_err(OpenError::Tunnel)?;
        let mut stream = Stream::new(stream, self.link.clone(), permit);
        let reply = async {
            stream.write_all(&wish).await?;
            let bytes = header::read_bytes(&mut stream).await?;
            header::decode::<Reply>(&bytes)
        };
        match reply.await {
            Ok(Reply::Accepted(answer)) => Ok((stream, answer)),
            Ok(Reply::Refused(refusal)) => Err(OpenError::Refused(refusal)),
            Err(error) => Err(match self.link.over() {
                Some(over) => OpenError::Tunnel(over),
                None => OpenError::NoAnswer(error),
            }),
        }
    }

    /// Waits until the session is over; why it is.
    pub async fn closed(&self) -> Arc<TunnelError> {
        self.link.closed().await
    }

    /// Ends the session, and lets the other side know.
    pub async fn close(&self) {
        self.link.close().await;
    }

    /// Says that the other side's machine is paused, so that its silence isn't taken for its end.
    pub fn set_peer_paused(&self, paused: bool) {
        self.link.set_peer_paused(paused);
    }
}

/// The streams that the other side opens.
#[derive(Debug)]
pub struct Incoming {
    requests: mpsc::Receiver<Request>,
}

impl Incoming {
    /// The next one; `None` once the session is over.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }
}

/// A stream that the other side wants. Dropped, it is reset.
#[derive(Debug)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    stream: Stream,
}

impl Request {
    /// Says yes.
    pub async fn accept(self, yes: Answer) -> io::Result<Stream> {
        let mut stream = self.stream;
        answer(&mut stream, &Reply::Accepted(yes)).await?;
        Ok(stream)
    }

    /// Says no, and why. A long message is cut.
    pub async fn refuse(self, mut why: Refusal) -> io::Result<()> {
        let mut stream = self.stream;
        // JSON may write a character in six.
        let most = header::MAX_HEADER / 8;
        if why.message.len() > most {
            why.message.truncate(why.message.floor_char_boundary(most));
        }
        answer(&mut stream, &Reply::Refused(why)).await
    }

    /// Waits until the other side takes its wish back, or says more before it has an answer.
    pub async fn withdrawn(&mut self) {
        use tokio::io::AsyncReadExt;
        // Nothing is to come before the answer.
        let _ = self.stream.read_u8().await;
    }
}
