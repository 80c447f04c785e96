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

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::TunnelError;

/// The version of the protocol that this side speaks.
pub const VERSION: u32 = 1;

/// Most bytes of the body of a frame that this side sends.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What ends a session at the other side that this side no longer knows of: more bytes than the
/// rest of a frame can be, none of them the start of one.
const BREAK: [u8; MAX_BODY + 16] = [0xff; MAX_BODY + 16];

/// How often a host says hello.
const REPEAT: Duration = Duration::from_millis(250);

/// How long a host waits for the last line of the guest.
const CONFIRM: Duration = Duration::from_secs(10);

/// No line is longer.
const MAX_LINE: usize = 96;

/// A number that no other session has.
type Nonce = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Host: who is there?
    Hello { version: u32, host: Nonce },
    /// Guest: I am.
    Ok {
        version: u32,
        host: Nonce,
        guest: Nonce,
    },
    /// Guest: I am, but of another version.
    No { version: u32, host: Nonce },
    /// Both: what follows is the session. The other side's nonce.
    Go { to: Nonce },
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("GANTRY/")?.split(' ');
        let version = words.next()?;
        if version.is_empty()
            || version.len() > 6
            || !version.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let version = version.parse().ok()?;
        let line = match words.next()? {
            "OK" => Self::Ok {
                version,
                host: nonce(words.next()?)?,
                guest: nonce(words.next()?)?,
            },
            "NO" => Self::No {
                version,
                host: nonce(words.next()?)?,
            },
            "GO" => Self::Go {
                to: nonce(words.next()?)?,
            },
            host => Self::Hello {
                version,
                host: nonce(host)?,
            },
        };
        words.next().is_none().then_some(line)
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hello { version, host } => writeln!(f, "GANTRY/{version} {}", hex::encode(host)),
            Self::Ok {
                version,
                host,
                guest,
            } => {
                writeln!(
                    f,
                    "GANTRY/{version} OK {} {}",
                    hex::encode(host),
                    hex::encode(guest)
                )
            }
            Self::No { version, host } => writeln!(f, "GANTRY/{version} NO {}", hex::encode(host)),
            Self::Go { to } => writeln!(f, "GANTRY/{VERSION} GO {}", hex::encode(to)),
        }
    }
}

fn nonce(word: &str) -> Option<Nonce> {
    let mut nonce = Nonce::default();
    hex::decode_to_slice(word, &mut nonce).ok()?;
    Some(nonce)
}

/// Finds lines among any bytes.
#[derive(Debug, Default)]
struct Scanner {
    /// The bytes since the last end of line, or the last of them.
    tail: Vec<u8>,
}

impl Scanner {
    /// Takes a byte; a line if it was the last of one.
    fn push(&mut self, byte: u8) -> Option<Line> {
        if byte != b'\n' {
            if self.tail.len() == 2 * MAX_LINE {
                self.tail.drain(..MAX_LINE);
            }
            self.tail.push(byte);
            return None;
        }
        // What stands before the magic is left over from something else.
        let magic = b"GANTRY/";
        let start = self
            .tail
            .windows(magic.len())
            .rposition(|window| window == magic);
        let line = start
            .and_then(|start| std::str::from_utf8(&self.tail[start..]).ok())
            .and_then(Line::parse);
        self.tail.clear();
        line
    }
}

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

/// Both directions at once: neither side reads before it has written, so neither may wait with reading.
struct Dialogue<T> {
    io: T,
    scanner: Scanner,
    said: Vec<u8>,
    heard: Vec<u8>,
    heard_start: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Dialogue<T> {
    fn new(io: T) -> Self {
        Self {
            io,
            scanner: Scanner::default(),
            said: BREAK.to_vec(),
            heard: Vec::new(),
            heard_start: 0,
        }
    }

    fn say(&mut self, line: &Line) {
        self.said.extend_from_slice(line.to_string().as_bytes());
    }

    fn say_break(&mut self) {
        self.said.extend_from_slice(&BREAK);
    }

    /// Writes all that is to be said, and reads meanwhile.
    async fn say_all(&mut self) -> Result<(), TunnelError> {
        while !self.has_said_all() {
            self.turn().await?;
        }
        Ok(())
    }

    fn has_said_all(&self) -> bool {
        self.said.is_empty()
    }

    /// Whether there is room for another answer to a peer that asks faster than it listens.
    fn has_room(&self) -> bool {
        self.said.len() < 2 * BREAK.len()
    }

    /// Writes or reads something, whichever can be done first. Loses nothing when dropped.
    async fn turn(&mut self) -> Result<(), TunnelError> {
        self.heard.drain(..std::mem::take(&mut self.heard_start));
        let mut chunk = [0; 4096];
        let Self {
            io, said, heard, ..
        } = self;
        let (mut read, mut write) = tokio::io::split(io);
        tokio::select! {
            read = read.read(&mut chunk) => match read {
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
    fn hear(&mut self) -> Option<Line> {
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

    fn agree(self) -> Agreed<T> {
        Agreed {
            first: self.unread().to_vec(),
            io: self.io,
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
