//! What a stream is for, and what can be answered.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What a stream is for: said once, at its beginning, by the side that opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Host to guest: a connection to the engine's API socket.
    Api,
    /// Host to guest: a TCP connection to an address of the guest's loopback.
    Tcp {
        /// Where to connect.
        to: SocketAddr,
    },
    /// Host to guest: datagrams ([`crate::datagram`]) to and from an address of the guest's loopback.
    Udp {
        /// Where to send to.
        to: SocketAddr,
    },
    /// Host to guest: calls of the agent ([`crate::agent`]).
    Agent,
    /// Host to guest: a program on a terminal ([`crate::shell`]).
    Shell {
        /// Program and arguments; empty for a shell.
        command: Vec<String>,
        /// Height of the terminal in lines.
        rows: u16,
        /// Width of the terminal in columns.
        cols: u16,
    },
    /// Guest to host: the host is to listen. The claim lives as long as the stream.
    Listen(Claim),
    /// Guest to host: DNS messages ([`crate::datagram`]), to be asked of the host's own resolvers.
    Resolve,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
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

/// A wish for a port on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address wanted on the host; port 0 for any.
    pub host: SocketAddr,
    /// Where in the guest its connections go: an address of the guest's loopback.
    pub guest: SocketAddr,
}

/// A yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on.
    Ready,
    /// The host listens.
    Listening {
        /// Where; the port is real even if any was asked for.
        at: SocketAddr,
    },
}

/// A no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why the other side says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Another program on the host has the port.
    PortTaken,
    /// The host has no such address.
    AddressUnknown,
    /// It may not be had by the one who asks.
    Denied,
    /// Nobody answers there.
    Unreachable,
    /// It was tried and did not work.
    Failed,
    /// This side does not do that; also what a kind unknown to this version is read as.
    #[serde(other)]
    Unsupported,
}
