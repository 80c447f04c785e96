//! Ports as they are asked for and as they are held.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A transport protocol whose ports can be published.
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
