//! What a stream is for, and what can be answered.

use std::net::SocketAddr;

use gantry_claim::Claim;
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
