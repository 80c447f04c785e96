//! What can go wrong, in facts.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::{EndpointId, ParseSubnetError, Protocol};

/// Why a network could not do as told.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Not a name that can be a container's id.
    #[error("invalid endpoint id: {}", .0.escape_debug())]
    InvalidId(String),
    /// Not an Ethernet address a host can have.
    #[error("invalid MAC address: {}", .0.escape_debug())]
    InvalidMac(String),
    /// Not a name an interface can have.
    #[error("invalid bridge name: {}", .0.escape_debug())]
    InvalidBridge(String),
    /// The network in the flags, or the one found on the bridge, can't be used.
    #[error(transparent)]
    Subnet(#[from] ParseSubnetError),
    /// All of the usual pools overlap with the host's routes.
    #[error(
        "could not find an available, non-overlapping IPv4 address pool for bridge {bridge}; give it one with --bip"
    )]
    NoFreeSubnet {
        /// The bridge.
        bridge: String,
    },
    /// Something else bears the bridge's name.
    #[error("interface {0} exists and is not a bridge")]
    NotABridge(String),
    /// An interface that was just made is gone.
    #[error("interface {0} vanished")]
    NoInterface(String),
    /// No address is left.
    #[error("no available IPv4 addresses on this network's address pools: {bridge} ({subnet})")]
    AddressesExhausted {
        /// The bridge.
        bridge: String,
        /// Its network in CIDR form.
        subnet: String,
    },
    /// The wanted address has another owner.
    #[error("Address already in use: {0}")]
    AddressTaken(Ipv4Addr),
    /// The wanted address is none of this network's.
    #[error("no configured subnet contains IP address {0}")]
    AddressOutside(Ipv4Addr),
    /// A port of the host is held by another container or program.
    #[error("Bind for {}:{} failed: port is already allocated", address.ip(), address.port())]
    PortTaken {
        /// The host's end.
        address: SocketAddr,
        /// Its protocol.
        protocol: Protocol,
    },
    /// None of a range of host ports, or of the ephemeral ones, is free.
    #[error("Bind for {ip} failed: all ports of {first}-{last}/{protocol} are already allocated")]
    PortsTaken {
        /// The host's address.
        ip: IpAddr,
        /// Lowest port tried.
        first: u16,
        /// Highest port tried.
        last: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// A host port can't be bound for another reason: no such address on this host, not permitted.
    #[error("failed to bind host port {address}/{protocol}: {source}")]
    Bind {
        /// The host's end.
        address: SocketAddr,
        /// Its protocol.
        protocol: Protocol,
        /// The kernel's word.
        source: io::Error,
    },
    /// The host, in whose machine the engine runs, can't be asked for a port.
    #[error("cannot claim host port {address}/{protocol} of the machine's host by {}: {reason}", path.display())]
    HostAgent {
        /// The host's end.
        address: SocketAddr,
        /// Its protocol.
        protocol: Protocol,
        /// The agent's socket.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// More ports than a proxy may hold.
    #[error("{count} published ports are more than the {limit} one container may have")]
    TooManyPorts {
        /// How many sockets they would need.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The container is not connected (or already disconnected).
    #[error("container {0} is not connected to this network")]
    NotConnected(EndpointId),
    /// The container is connected already.
    #[error("container {0} is already connected to this network")]
    AlreadyConnected(EndpointId),
    /// The kernel refused a change of interfaces, addresses or routes.
    #[error("{what}: {source}")]
    Link {
        /// What was being done.
        what: String,
        /// The kernel's word.
        source: io::Error,
    },
    /// A rule change was refused, or nftables is missing.
    #[error("nftables: {what}: {reason}")]
    Rules {
        /// What was being done.
        what: String,
        /// The kernel's or nft's word.
        reason: String,
    },
    /// The port proxy could not be started.
    #[error("port proxy {}: {reason}", path.display())]
    Proxy {
        /// The program.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file, folder or kernel setting.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's word.
        source: io::Error,
    },
    /// A system call without a path.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
}

/// All that went wrong in a tear-down, which goes on past each.
#[derive(Debug, Default, thiserror::Error)]
pub struct Failures(pub Vec<NetworkError>);

impl Failures {
    /// Notes `result`'s error, if it is one.
    pub(crate) fn note<T>(&mut self, result: Result<T, NetworkError>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// `Ok` when nothing was noted.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}
