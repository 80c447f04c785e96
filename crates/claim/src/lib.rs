//! How the engine in a machine asks the machine's host for a port: one JSON line each way.
//!
//! ```text
//! asker                                                        who has the host's ports
//!   {"protocol":"tcp","host":"0.0.0.0:80","guest":"127.0.0.1:40001"}  →
//!                                                   ←  {"listening":"0.0.0.0:80"}
//!                                               or  ←  {"refused":{"kind":"port_taken","message":"…"}}
//! ```
//! The claim lives as long as the connection that it was made on; whoever holds that holds the port. These types are
//! all there is here: who carries the lines (a unix socket in the guest, a stream of the tunnel) is no matter.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest line, its end included, in bytes; more is no line of ours.
pub const LONGEST_LINE: usize = 4096;

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A protocol name that can't be published; holds the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid proto: {}", .0.escape_debug())]
pub struct UnknownProtocol(pub String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            other => Err(UnknownProtocol(other.chars().take(40).collect())),
        }
    }
}

/// A port of the host that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// What it carries.
    pub protocol: Protocol,
    /// Where the host is to listen; port 0 is the host's choice.
    pub host: SocketAddr,
    /// Where in the guest it leads.
    pub guest: SocketAddr,
}

/// The answer to a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The host listens there from now on.
    Listening(SocketAddr),
    /// It doesn't.
    Refused(Refusal),
}

/// Why something isn't done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal of `kind` that says `message`.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// Kinds of [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Another program has the port.
    PortTaken,
    /// The host has no such address, or none of its family.
    AddressUnknown,
    /// The host's user may not, as with ports below 1024 on some systems.
    Denied,
    /// What it is to lead to doesn't answer.
    Unreachable,
    /// It was tried, and did not work.
    Failed,
    /// The other side doesn't do that; also what a kind is read as that this version doesn't know.
    #[serde(other)]
    Unsupported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_as_documented() {
        let claim = Claim {
            protocol: Protocol::Tcp,
            host: "[::]:80".parse().unwrap(),
            guest: "127.0.0.1:40001".parse().unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&claim).unwrap(),
            r#"{"protocol":"tcp","host":"[::]:80","guest":"127.0.0.1:40001"}"#
        );
        let says = |answer: &Answer| serde_json::to_string(answer).unwrap();
        assert_eq!(
            says(&Answer::Listening("0.0.0.0:80".parse().unwrap())),
            r#"{"listening":"0.0.0.0:80"}"#
        );
        let refused = Answer::Refused(Refusal {
            kind: RefusalKind::PortTaken,
            message: "taken".to_owned(),
        });
        assert_eq!(
            says(&refused),
            r#"{"refused":{"kind":"port_taken","message":"taken"}}"#
        );
    }
}
