//! Connections that turn into a process's stdio: attach and exec.
//!
//! A client that asks for an upgrade gets `101 UPGRADED` and the raw connection, half-close of its input included. One
//! that doesn't gets the output as a body that streams, and its own body is the input.

use std::io;
use std::os::fd::OwnedFd;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures::future::{FusedFuture as _, FutureExt as _};
use futures::{Stream, StreamExt as _};
use gantry_runtime::AttachStream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Body as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rustix::event::epoll;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::containers::detach::DetachKeys;

/// Bytes copied at once.
const BLOCK: usize = 32 << 10;

/// A connection about to be taken over.
pub struct Hijack {
    upgrade: Option<OnUpgrade>,
    /// What the request brings along, unless that was read already.
    body: Body,
    media: &'static str,
}

/// How its end is told to the caller.
pub struct Session {
    /// What is sent before the stream: a log.
    pub before: Vec<u8>,
    /// The stdio; none where there is only something to say.
    pub stream: Option<AttachStream>,
    /// Keys that leave the process to itself, where the client has a terminal.
    pub keys: Option<DetachKeys>,
}

impl Hijack {
    /// Looks at what the client asks for. `is_raw` says that a terminal's bytes are sent, not frames.
    pub fn of(request: &mut Request, is_raw: bool) -> Hijack {
        let body = std::mem::take(request.body_mut());
        let upgrade = wants_upgrade(request.headers()).then(|| hyper::upgrade::on(request));
        let media = if is_raw {
            "application/vnd.docker.raw-stream"
        } else {
            "application/vnd.docker.multiplexed-stream"
        };
        Hijack {
            upgrade,
            body,
            media,
        }
    }

    /// Answers, and runs the session when `ready` gives one; `None` ends the connection at once. `finish` is awaited
    /// before the connection ends by itself.
    pub fn run<R, F>(self, ready: R, finish: F) -> Response
    where
        R: Future<Output = Option<Session>> + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let media = HeaderValue::from_static(self.media);
        match self.upgrade {
            Some(upgrade) => {
                tokio::spawn(async move {
                    match upgrade.await {
                        Ok(upgraded) => serve(upgraded, ready, finish).await,
                        Err(error) => {
                            tracing::debug!(%error, "a client left before its connection was taken over")
                        }
                    }
                });
                let headers = [
                    (header::CONTENT_TYPE, media),
                    (header::CONNECTION, HeaderValue::from_static("Upgrade")),
                    (header::UPGRADE, HeaderValue::from_static("tcp")),
                ];
                (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
            }
            None => {
                // Polled by the connection: when the client leaves, all of this is dropped.
                let mut input = self.body;
                let body = futures::stream::once(async move {
                    let (before, stream) = match ready.await {
                        Some(session) => (session.before, session.stream),
                        None => (Vec::new(), None),
                    };
                    let head = futures::stream::iter([Ok::<_, io::Error>(Bytes::from(before))]);
                    let tail = futures::stream::iter(stream)
                        .flat_map(move |stream| exchange(stream, std::mem::take(&mut input)));
                    let end = futures::stream::once(finish).filter_map(|()| async { None });
                    head.chain(tail).chain(end)
                })
                .flatten();
                ([(header::CONTENT_TYPE, media)], Body::from_stream(body)).into_response()
            }
        }
    }
}

impl Hijack {
    /// Answers with a message in the stream's place: there is no process to talk to.
    pub fn say(self, message: Vec<u8>) -> Response {
        let media = HeaderValue::from_static(self.media);
        let Some(upgrade) = self.upgrade else {
            return ([(header::CONTENT_TYPE, media)], Body::from(message)).into_response();
        };
        tokio::spawn(async move {
            let sent = match upgrade.await {
                Ok(upgraded) => TokioIo::new(upgraded).write_all(&message).await,
                Err(error) => Err(io::Error::other(error)),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "a client left before it was told why nothing runs");
            }
        });
        let headers = [
            (header::CONTENT_TYPE, media),
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("tcp")),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }
}

/// A process's output, while `body` is fed to it. Without a body its input is left as it is, for others.
fn exchange(stream: AttachStream, body: Body) -> impl Stream<Item = io::Result<Bytes>> {
    let AttachStream { output, stdin } = stream;
    let mut input = Some(stdin);
    let feeding = (!body.is_end_stream()).then(|| input.take()).flatten();
    let fed = async move {
        if let Some(stdin) = feeding {
            feed(&[], super::body::reader(body), stdin, None).await;
        }
    };
    let state = (output, Box::pin(fed.fuse()), input);
    futures::stream::try_unfold(state, |(mut output, mut fed, held)| async move {
        let mut block = BytesMut::with_capacity(BLOCK);
        let read = output.read_buf(&mut block);
        tokio::pin!(read);
        let read = loop {
            tokio::select! {
                read = &mut read => break read?,
                () = &mut fed, if !fed.is_terminated() => {}
            }
        };
        Ok((read > 0).then(|| (block.freeze(), (output, fed, held))))
    })
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    says(header::CONNECTION, "upgrade") && headers.contains_key(header::UPGRADE)
}

async fn serve<R, F>(upgraded: Upgraded, ready: R, finish: F)
where
    R: Future<Output = Option<Session>>,
    F: Future<Output = ()>,
{
    let Ok(parts) = upgraded.downcast::<TokioIo<UnixStream>>() else {
        tracing::error!("a connection is of a kind that can't be taken over");
        return;
    };
    let mut client = parts.io.into_inner();
    let gone = match Gone::of(&client) {
        Ok(gone) => gone,
        Err(error) => {
            tracing::warn!(%error, "can't watch a client");
            return;
        }
    };
    tokio::select! {
        () = gone.wait() => {}
        () = async {
            let Some(session) = ready.await else { return };
            // The connection stays open until `finish`: its end is what a client takes for the process's end.
            if pump(&mut client, &parts.read_buf, session).await == End::Output {
                finish.await;
            }
        } => {}
    }
}

/// Copies both ways until the process's output ends, or the client types the keys to leave.
async fn pump(client: &mut UnixStream, early: &[u8], session: Session) -> End {
    let (from_client, mut to_client) = client.split();
    let Some(AttachStream { mut output, stdin }) = session.stream else {
        let _ = to_client.write_all(&session.before).await;
        return End::Output;
    };
    let input = feed(early, from_client, stdin, session.keys);
    let show = async {
        to_client.write_all(&session.before).await?;
        let mut block = vec![0_u8; BLOCK];
        loop {
            let read = output.read(&mut block).await?;
            if read == 0 {
                return Ok::<_, io::Error>(());
            }
            to_client.write_all(&block[..read]).await?;
        }
    };
    tokio::pin!(input, show);
    // Input may end long before output does; the keys end both.
    let mut fed = false;
    loop {
        tokio::select! {
            left = &mut input, if !fed => {
                fed = true;
                if left == Fed::Left {
                    return End::Left;
                }
            }
            shown = &mut show => {
                if let Err(error) = shown {
                    tracing::debug!(%error, "an attached client or process went away");
                }
                return End::Output;
            }
        }
    }
}

/// How a session came to its end.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The process's output ended, or nobody can be told of it any more.
    Output,
    /// The client left the process to itself.
    Left,
}

#[derive(Debug, PartialEq, Eq)]
enum Fed {
    /// The client sends no more.
    Over,
    /// The client wants to leave.
    Left,
}

async fn feed(
    early: &[u8],
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut keys: Option<DetachKeys>,
) -> Fed {
    let mut block = vec![0_u8; BLOCK];
    let mut pending = early.to_vec();
    loop {
        if !pending.is_empty() {
            let (bytes, left) = match &mut keys {
                Some(keys) => keys.filter(&pending),
                None => (std::mem::take(&mut pending), false),
            };
            if to.write_all(&bytes).await.is_err() {
                // The process closed its input; what the client still sends is nobody's.
                return Fed::Over;
            }
            if left {
                return Fed::Left;
            }
        }
        match from.read(&mut block).await {
            Ok(0) | Err(_) => {
                let _ = to.shutdown().await;
                return Fed::Over;
            }
            Ok(read) => pending = block[..read].to_vec(),
        }
    }
}

/// Tells when a client is gone altogether, which a mere end of its input isn't, though nothing is written to it.
///
/// An epoll instance of its own that is asked for nothing: so it tells of the socket's hang-up only. Waiting for the
/// socket's readability would return for ever once the client has ended its input.
struct Gone {
    hangup: AsyncFd<OwnedFd>,
}

impl Gone {
    fn of(client: &UnixStream) -> io::Result<Gone> {
        let hangup = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &hangup,
            client,
            epoll::EventData::new_u64(0),
            epoll::EventFlags::empty(),
        )?;
        Ok(Gone {
            hangup: super::sys::watch(hangup)?,
        })
    }

    async fn wait(&self) {
        // An error would mean that the runtime ends: then so does this.
        let _ = self.hangup.readable().await;
    }
}
