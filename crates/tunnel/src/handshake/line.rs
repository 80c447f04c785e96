//! The lines of the handshake, and how they are found among other bytes.

use super::VERSION;

/// No line is longer.
const MAX_LINE: usize = 96;

/// A number that no other session has.
pub(super) type Nonce = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
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
pub(super) struct Scanner {
    /// The bytes since the last end of line, or the last of them.
    tail: Vec<u8>,
}

impl Scanner {
    /// Takes a byte; a line if it was the last of one.
    pub(super) fn push(&mut self, byte: u8) -> Option<Line> {
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
