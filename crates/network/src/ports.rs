//! Ports as they are asked for and as they are held.

use std::net::{IpAddr, SocketAddr};

use gantry_claim::Protocol;
use serde::{Deserialize, Serialize};

/// Which port of the host is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostPort {
    /// Any free one of the kernel's ephemeral range.
    Any,
    /// This one.
    Exact(u16),
    /// The first free one, both ends included.
    Range(u16, u16),
}

/// One port to publish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortRequest {
    /// The port in the container.
    pub container_port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address to listen on; `None`: all of them, IPv4 and IPv6, on one and the same port.
    pub host_ip: Option<IpAddr>,
    /// The host's port.
    pub host_port: HostPort,
}

/// One port that is held: a socket of the host and where it leads. A [`PortRequest`] without `host_ip` becomes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port in the container.
    pub container_port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address; unspecified (`0.0.0.0`, `::`) for all.
    pub host_ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
}

impl PortBinding {
    /// The host's end as a socket address.
    pub fn host_address(&self) -> SocketAddr {
        SocketAddr::new(self.host_ip, self.host_port)
    }
}
