//! What the engine and `gantry-proxy` say to each other.
//!
//! The proxy's standard input is one end of a `SOCK_SEQPACKET` pair; each packet is one JSON value, with descriptors
//! attached:
//!
//! ```text
//! engine                                   gantry-proxy
//!   Listen{ports} + as many bound sockets  →          as often as needed
//!   Keep{claims} + as many connections     →          as often as needed, in a machine
//!   Begin{..} + the locked record          →
//!                                          ←  Ready
//!   Follow + pidfd of the shim             →          from here on the proxy outlives the engine
//!                                          ←  Ready
//! ```
//! Before `Follow` the end of the connection is the proxy's end; after it, the end of the followed process. Where the
//! engine is gone by then, the proxy takes the kernel's redirects away: they would outlive the ports they belong to.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use gantry_claim::Claim;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Protocol;

/// Descriptors in one packet; the kernel allows 253 (`SCM_MAX_FD`).
pub const MAX_DESCRIPTORS: usize = 128;
/// Bytes of one packet.
const MAX_PACKET: usize = 64 * 1024;

/// A socket and where its traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxiedPort {
    /// Decides what kind of socket it is.
    pub protocol: Protocol,
    /// The container's end.
    pub target: SocketAddrV4,
}

/// Bounds on UDP, which has no end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpLimits {
    /// A client that is silent for this long, and is sent nothing, is forgotten.
    pub idle: Duration,
    /// Clients remembered for each socket; the one that was silent the longest gives way.
    pub sessions: usize,
}

impl Default for UdpLimits {
    fn default() -> Self {
        // As Docker's proxy.
        Self {
            idle: Duration::from_secs(90),
            sessions: 1024,
        }
    }
}

/// Engine to proxy.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Sockets to serve: a descriptor for each, in this order, bound and (TCP) listening.
    Listen(Vec<ProxiedPort>),
    /// Claims on ports of the machine's host: a descriptor for each, the connection it was made on.
    Keep {
        /// The socket to make one again where its connection ends: the agent is another one then.
        agent: PathBuf,
        /// What was claimed.
        claims: Vec<Claim>,
    },
    /// Serve them. One descriptor: the record, whose lock says that the proxy lives.
    Begin {
        /// For the datagrams among them.
        udp: UdpLimits,
        /// The nftables table with the kernel's redirects.
        table: String,
    },
    /// Live as long as a process. One descriptor: its pidfd.
    Follow,
}

/// Proxy to engine.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done as told.
    Ready,
    /// Why not.
    Failed(String),
}

/// Sends one packet.
///
/// # Errors
/// The kernel's; `BrokenPipe` where the other end is gone.
pub fn send(
    socket: impl AsFd,
    value: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one packet",
        ));
    }
    sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one packet; `None` at the end of the connection.
///
/// # Errors
/// The kernel's; `InvalidData` for a packet that is none of ours.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let RecvMsg { bytes: length, .. } = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if length == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(Some((
        serde_json::from_slice(&bytes[..length])?,
        descriptors,
    )))
}
