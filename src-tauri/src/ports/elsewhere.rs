//! macOS and Windows let everybody bind any port on all addresses: each is tried.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use super::Protocol;

/// The ports that something listens at.
pub struct Listening(Protocol);

impl Listening {
    /// Each port is looked at when it is asked for.
    pub async fn look(protocol: Protocol) -> Self {
        Self(protocol)
    }

    /// Whether something listens at `port`.
    pub fn has(&self, port: u16) -> bool {
        let all: [SocketAddr; 2] = [
            (Ipv4Addr::UNSPECIFIED, port).into(),
            (Ipv6Addr::UNSPECIFIED, port).into(),
        ];
        all.into_iter().any(|address| {
            let bound = match self.0 {
                Protocol::Tcp => TcpListener::bind(address).map(drop),
                Protocol::Udp => UdpSocket::bind(address).map(drop),
            };
            bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
        })
    }
}
