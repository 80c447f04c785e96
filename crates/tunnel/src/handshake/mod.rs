//! How two sides agree on a session over a channel that may hold anything.
//!
//! A serial port keeps bytes that an earlier host wrote, and either side may be in the
//! middle of a frame of a session that the other no longer knows of. So:
//!
//! 1. Both sides first write [`BREAK`]: longer than the rest of any frame, and no
//!    frame starts with such a byte. A peer still in an older session ends it.
//! 2. The host writes `GANTRY/1 <host nonce>\n`, again every 250 ms until answered.
//! 3. The guest passes over all bytes up to such a line, and answers each
//!    `GANTRY/1 OK <host nonce> <guest nonce>\n`, with one nonce of its own for each of the host's.
//! 4. The host passes over all bytes up to the answer to its nonce, finishes the hello that it is
//!    writing, and writes `GANTRY/1 GO <guest nonce>\n`. Its next byte is yamux.
//! 5. The guest passes over further hellos up to the `GO` with its nonce, and writes
//!    `GANTRY/1 GO <host nonce>\n`. Its next byte is yamux.
//! 6. The host passes over all bytes up to that; where it doesn't come within 10 s (the guest's
//!    agent was started anew just then), it begins again with another nonce.
//!
//! A host of another version is answered `GANTRY/1 NO <nonce>\n`, so that both can name both versions.
//! Nonces are 16 random bytes, in hex: no line of an earlier session can be taken for one of this.

mod dialogue;
mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use self::dialogue::Dialogue;
use self::line::{Line, Nonce};
use crate::TunnelError;

/// The version of the protocol that this side speaks.
pub const VERSION: u32 = 1;

/// Most bytes of the body of a frame that this side sends.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// How often a host says hello.
const REPEAT: Duration = Duration::from_millis(250);

/// How long a host waits for the last line of the guest.
const CONFIRM: Duration = Duration::from_secs(10);

/// A channel on which a session can begin.
#[derive(Debug)]
pub(crate) struct Agreed<T> {
    pub(crate) io: T,
    /// Bytes of the session that were already read.
    pub(crate) first: Vec<u8>,
}

/// The host's side. Waits for as long as nobody answers.
pub(crate) async fn host<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
) -> Result<Agreed<T>, TunnelError> {
    let mut dialogue = Dialogue::new(io);
    loop {
        let host: Nonce = rand::random();
        let guest = greet(&mut dialogue, host).await?;
        dialogue.say(&Line::Go { to: guest });
        let confirmed = async {
            loop {
                while let Some(line) = dialogue.hear() {
                    if line == (Line::Go { to: host }) {
                        return Ok(());
                    }
                }
                dialogue.turn().await?;
            }
        };
        match timeout(CONFIRM, confirmed).await {
            Ok(confirmed) => {
                confirmed?;
                return Ok(dialogue.agree());
            }
            Err(_) => dialogue.say_break(),
        }
    }
}

/// Says hello until somebody answers; the answer's nonce.
async fn greet<T: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<T>,
    host: Nonce,
) -> Result<Nonce, TunnelError> {
    let hello = Line::Hello {
        version: VERSION,
        host,
    };
    dialogue.say(&hello);
    let mut repeat = Instant::now() + REPEAT;
    loop {
        tokio::select! {
            heard = dialogue.turn() => heard?,
            () = sleep_until(repeat) => {
                // A channel that takes nothing yet is not to be filled with hellos.
                if dialogue.has_said_all() {
                    dialogue.say(&hello);
                }
                repeat = Instant::now() + REPEAT;
            }
        }
        while let Some(line) = dialogue.hear() {
            match line {
                Line::Ok {
                    version: VERSION,
                    host: to,
                    guest,
                } if to == host => return Ok(guest),
                Line::Ok {
                    version, host: to, ..
                }
                | Line::No { version, host: to }
                    if to == host =>
                {
                    return Err(TunnelError::Version {
                        ours: VERSION,
                        theirs: version,
                    });
                }
                _ => {}
            }
        }
    }
}

/// The guest's side. Waits for as long as no host comes.
pub(crate) async fn guest<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
) -> Result<Agreed<T>, TunnelError> {
    let mut dialogue = Dialogue::new(io);
    // Whom we answered last, and with what.
    let mut answered: Option<(Nonce, Nonce)> = None;
    loop {
        dialogue.turn().await?;
        let mut again = None;
        let mut stranger = None;
        while let Some(line) = dialogue.hear() {
            match line {
                Line::Hello {
                    version: VERSION,
                    host,
                } => {
                    let guest = match answered {
                        Some((to, guest)) if to == host => guest,
                        _ => rand::random(),
                    };
                    answered = Some((host, guest));
                    again = Some(Line::Ok {
                        version: VERSION,
                        host,
                        guest,
                    });
                    stranger = None;
                }
                Line::Hello { version, host } => {
                    again = Some(Line::No {
                        version: VERSION,
                        host,
                    });
                    stranger = Some(version);
                }
                Line::Go { to } => {
                    let Some((host, _)) = answered.filter(|(_, guest)| *guest == to) else {
                        continue;
                    };
                    dialogue.say(&Line::Go { to: host });
                    dialogue.say_all().await?;
                    return Ok(dialogue.agree());
                }
                _ => {}
            }
        }
        // One answer to all the hellos that waited here while nobody read them.
        if let Some(answer) = again
            && dialogue.has_room()
        {
            dialogue.say(&answer);
        }
        if let Some(theirs) = stranger {
            dialogue.say_all().await?;
            return Err(TunnelError::Version {
                ours: VERSION,
                theirs,
            });
        }
    }
}

/// The end of a channel, by whatever name it comes.
pub(crate) fn channel_error(error: io::Error) -> TunnelError {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::UnexpectedEof => TunnelError::Ended,
        _ => TunnelError::Io(error),
    }
}
