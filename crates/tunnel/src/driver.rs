//! The task that drives a session: it alone touches yamux and the channel.
//!
//! The host's first stream is not for anybody's bytes: over it the drivers themselves
//! speak (it is yamux's stream 1), in messages of 13 bytes, numbers big-endian.
//!
//! ```text
//! kind  stream  bytes
//! u8    u32     u64
//! 0     0       0      alive: each 10 s, so that a peer that is gone is told from one with nothing to say
//! 1     id      n      the sender let go of the stream before it had ended its direction; n bytes
//!                      are all that it had written, which the receiver still reads
//! 2     id      0      the sender has ended its direction, and will not read on until the other ends
//! ```

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::io::{AsyncRead as _, AsyncWrite as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::TunnelError;
use crate::handshake::{Agreed, MAX_BODY, channel_error};
use crate::link::{Abort, Direction, Link, State, Wish};
use crate::wire::{Port, Wire};

/// How often each side says that it is alive.
const BEAT: Duration = Duration::from_secs(10);
/// How many beats in a row may be missed. Beats are counted, not time: a host that slept has missed one.
const MISSED: u32 = 3;
/// Streams that may wait to be opened before their openers wait themselves.
const OPENING: usize = 64;
/// yamux ends a session of more streams than it is told to expect: far more than [`crate::Limits`] let be.
const YAMUX_STREAMS: usize = 16 * 1024;
/// Memory by which the windows of all streams may grow together beyond 256 KiB each.
const GROWTH: usize = 64 * 1024 * 1024;
/// Rounds before other tasks have their turn.
const ROUNDS: usize = 32;

/// Bytes of messages that the peer doesn't take: one that never does would have them pile up.
const UNSAID: usize = 64 * 1024;
/// yamux's number of the stream of the drivers: the first that a client opens.
const CONTROL: u32 = 1;

const ALIVE: u8 = 0;
const LET_GO: u8 = 1;
const DEAF: u8 = 2;
/// Bytes of a message.
const MESSAGE: usize = 13;

/// Which end of the channel this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Host,
    Guest,
}

/// Starts a driver. `greet` makes, of the link, what each stream is given to that the peer opens.
pub(crate) fn start<T, G>(
    agreed: Agreed<T>,
    side: Side,
    greet: impl FnOnce(&Arc<Link>) -> G,
) -> Arc<Link>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    G: FnMut(yamux::Stream) + Send + 'static,
{
    let mut config = yamux::Config::default();
    config
        .set_max_connection_receive_window(Some(
            YAMUX_STREAMS * yamux::DEFAULT_CREDIT as usize + GROWTH,
        ))
        .set_max_num_streams(YAMUX_STREAMS)
        .set_split_send_size(MAX_BODY);
    let mode = match side {
        Side::Host => yamux::Mode::Client,
        Side::Guest => yamux::Mode::Server,
    };
    let (wire, port) = Wire::new(agreed.io, &agreed.first);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (wishes, wished) = mpsc::channel(OPENING);
    let (aborts, aborted) = mpsc::unbounded_channel();
    let (ending, over) = watch::channel(None);
    let state = Arc::new(State::default());
    let link = Arc::new(Link::new(wishes, aborts, over, state.clone()));
    let driver = Driver {
        wire,
        session: yamux::Connection::new(port, config, mode),
        side,
        control: None,
        heard: Vec::new(),
        to_say: Vec::new(),
        beat,
        quiet: 0,
        wished,
        opening: VecDeque::new(),
        aborted,
        aborting: Vec::new(),
        greet: greet(&link),
        closing: false,
        state,
    };
    tokio::spawn(run(driver, ending));
    link
}

async fn run<T, G>(mut driver: Driver<T, G>, ending: watch::Sender<Option<Arc<TunnelError>>>)
where
    T: AsyncRead + AsyncWrite + Unpin,
    G: FnMut(yamux::Stream),
{
    std::future::poll_fn(|cx| {
        let state = driver.state.clone();
        let turn = state.turn();
        let Poll::Ready(error) = driver.poll(cx) else {
            return Poll::Pending;
        };
        tracing::debug!(%error, "the tunnel is over");
        // Before any stream can learn of its own end.
        ending.send_replace(Some(Arc::new(error)));
        drop(turn);
        Poll::Ready(())
    })
    .await;
}

struct Driver<T, G> {
    wire: Wire<T>,
    session: yamux::Connection<Port>,
    side: Side,
    /// The stream of the drivers.
    control: Option<yamux::Stream>,
    /// A message of the control stream of which not all has come.
    heard: Vec<u8>,
    to_say: Vec<u8>,
    beat: Interval,
    /// Beats since anything came.
    quiet: u32,
    wished: mpsc::Receiver<Wish>,
    opening: VecDeque<oneshot::Sender<yamux::Stream>>,
    aborted: mpsc::UnboundedReceiver<Abort>,
    /// Streams whose letting go has been said but maybe not yet written.
    aborting: Vec<yamux::Stream>,
    greet: G,
    closing: bool,
    state: Arc<State>,
}

impl<T: AsyncRead + AsyncWrite + Unpin, G: FnMut(yamux::Stream)> Driver<T, G> {
    /// Moves what can be moved; ready when the session is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TunnelError> {
        for _ in 0..ROUNDS {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) if self.wire.relax() => {}
                Ok(false) => return Poll::Pending,
                Err(error) => return Poll::Ready(error),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tries each thing once; whether any of them moved.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        let mut moved = self.take_beats(cx)?;
        moved |= self.take_wishes(cx);
        if self.wire.fill(cx).map_err(channel_error)? {
            self.quiet = 0;
            moved = true;
        }
        moved |= match self.closing {
            false => self.poll_session(cx)?,
            true => self.poll_close(cx)?,
        };
        if !self.closing {
            moved |= self.listen(cx)?;
            moved |= self.speak(cx)?;
        }
        moved |= self.wire.drain(cx).map_err(channel_error)?;
        Ok(moved)
    }

    fn take_beats(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        if self.beat.poll_tick(cx).is_pending() {
            return Ok(false);
        }
        if self.state.is_peer_paused() {
            self.quiet = 0;
        }
        if self.quiet > MISSED {
            return Err(TunnelError::Silent {
                limit: BEAT * MISSED,
            });
        }
        self.quiet += 1;
        // While the peer takes nothing, more beats would be no help.
        if self.to_say.is_empty() {
            self.say(ALIVE, 0, 0);
        }
        Ok(true)
    }

    fn take_wishes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(Abort { stream, state })) = self.aborted.poll_recv(cx) {
            if !stream.is_closed() {
                let id = stream.id().val();
                match state {
                    Direction::Ended => self.say(DEAF, id, 0),
                    Direction::Open(sent) => self.say(LET_GO, id, sent),
                }
                self.aborting.push(stream);
            }
            moved = true;
        }
        while self.opening.len() < OPENING && !self.closing {
            match self.wished.poll_recv(cx) {
                Poll::Ready(Some(Wish::Open(reply))) => self.opening.push_back(reply),
                // Nobody is left who could use the session, or wants it.
                Poll::Ready(Some(Wish::Close) | None) => self.closing = true,
                Poll::Pending => break,
            }
            moved = true;
        }
        moved
    }

    fn poll_session(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        let mut moved = self.poll_opening(cx)?;
        loop {
            match self.session.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => match (self.side, stream.id().val()) {
                    (Side::Guest, CONTROL) => self.control = Some(stream),
                    _ => (self.greet)(stream),
                },
                Poll::Ready(Some(Err(error))) => return Err(self.broken(&error)),
                Poll::Ready(None) if self.wire.ended() => return Err(TunnelError::Ended),
                Poll::Ready(None) => return Err(TunnelError::ClosedByPeer),
                Poll::Pending => break,
            }
            moved = true;
        }
        // yamux has taken all that its streams had to say, so that the word of a stream's being let
        // go goes ahead of the end by which yamux itself would have it.
        if self.wire.has_room() && self.to_say.is_empty() {
            self.aborting.clear();
        }
        Ok(moved)
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        let mut moved = false;
        if self.side == Side::Host && self.control.is_none() {
            let Poll::Ready(stream) = self.session.poll_new_outbound(cx) else {
                return Ok(false);
            };
            self.control = Some(stream.map_err(|error| self.broken(&error))?);
            moved = true;
        }
        while !self.opening.is_empty() {
            let Poll::Ready(stream) = self.session.poll_new_outbound(cx) else {
                break;
            };
            let stream = stream.map_err(|error| self.broken(&error))?;
            if let Some(reply) = self.opening.pop_front() {
                // Where nobody waits any more, the stream is dropped, and the peer never hears of it.
                let _ = reply.send(stream);
            }
            moved = true;
        }
        Ok(moved)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        match self.session.poll_close(cx) {
            Poll::Ready(_) if self.wire.is_drained() => Err(TunnelError::Closed),
            _ => Ok(false),
        }
    }

    fn broken(&self, error: &yamux::ConnectionError) -> TunnelError {
        match self.wire.ended() {
            true => TunnelError::Ended,
            false => TunnelError::Protocol {
                detail: error.to_string(),
            },
        }
    }

    fn say(&mut self, kind: u8, stream: u32, bytes: u64) {
        self.to_say.push(kind);
        self.to_say.extend(stream.to_be_bytes());
        self.to_say.extend(bytes.to_be_bytes());
    }

    fn speak(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        let Some(control) = &mut self.control else {
            return Ok(false);
        };
        let mut moved = false;
        while !self.to_say.is_empty() {
            match Pin::new(&mut *control).poll_write(cx, &self.to_say) {
                Poll::Ready(Ok(length)) => {
                    self.to_say.drain(..length);
                    moved = true;
                }
                Poll::Ready(Err(_)) => {
                    return Err(TunnelError::Protocol {
                        detail: "the control stream was closed".into(),
                    });
                }
                Poll::Pending => break,
            }
        }
        match self.to_say.len() {
            0..UNSAID => Ok(moved),
            _ => Err(TunnelError::Protocol {
                detail: "the control stream is not read".into(),
            }),
        }
    }

    fn listen(&mut self, cx: &mut Context<'_>) -> Result<bool, TunnelError> {
        let Some(control) = &mut self.control else {
            return Ok(false);
        };
        let mut moved = false;
        let mut chunk = [0; 64 * MESSAGE];
        loop {
            match Pin::new(&mut *control).poll_read(cx, &mut chunk) {
                Poll::Ready(Ok(length @ 1..)) => self.heard.extend_from_slice(&chunk[..length]),
                Poll::Ready(_) => {
                    return Err(TunnelError::Protocol {
                        detail: "the control stream was closed".into(),
                    });
                }
                Poll::Pending => return Ok(moved),
            }
            moved = true;
            let (messages, _) = self.heard.as_chunks::<MESSAGE>();
            for &[kind, a, b, c, d, ref bytes @ ..] in messages {
                let id = u32::from_be_bytes([a, b, c, d]);
                let Some(mark) = self.state.mark(id) else {
                    continue;
                };
                match kind {
                    LET_GO => mark.let_go(u64::from_be_bytes(*bytes)),
                    DEAF => mark.deafen(),
                    // What this version doesn't know is none of its business.
                    _ => {}
                }
            }
            let taken = messages.len() * MESSAGE;
            self.heard.drain(..taken);
        }
    }
}
