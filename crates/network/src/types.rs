//! What the engine and a network tell each other about one container.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{EndpointId, NetworkError, PortBinding};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// The six bytes, in the order they are written.
    pub fn octets(&self) -> [u8; 6] {
        self.0
    }

    /// The address a container with `ip` has unless it asks for another. Locally administered, and always the same
    /// for the same `ip`, so neighbours' caches stay right when the address goes to another container.
    pub fn from_ip(ip: Ipv4Addr) -> Self {
        let [a, b, c, d] = ip.octets();
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || NetworkError::InvalidMac(text.chars().take(40).collect());
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().unwrap_or_default();
            // No sign, which the number's parser would take.
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        // A group address (lowest bit of the first byte) is no sender.
        if parts.next().is_some() || octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(invalid());
        }
        Ok(Self(octets))
    }
}

/// What a container asks of its connection; the default asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub struct Want {
    /// This address and no other.
    pub ip: Option<Ipv4Addr>,
    /// This Ethernet address; `None`: one made from the IPv4 address.
    pub mac: Option<MacAddress>,
}

/// A container's place on the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The container's address.
    pub ip: Ipv4Addr,
    /// Bits of the network part.
    pub prefix: u8,
    /// The bridge's address.
    pub gateway: Ipv4Addr,
    /// The container's Ethernet address.
    pub mac: MacAddress,
    /// Name of the interface in the container (`eth0`).
    pub interface: String,
    /// Name of the veth pair's other end on the host.
    pub host_interface: String,
    /// The pinned namespace.
    pub netns: PathBuf,
}

/// A container that lives on across a restart of the engine.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whose namespace.
    pub id: EndpointId,
    /// Its place on the bridge; `None` for a container without a network (`none`), which has only a namespace.
    pub attachment: Option<Attachment>,
}

/// The part of a [`Live`] container that is on the bridge.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The address it was given.
    pub ip: Ipv4Addr,
    /// The Ethernet address it was given.
    pub mac: MacAddress,
    /// The ports it publishes, as [`Network::publish`](crate::Network::publish) said.
    pub ports: Vec<PortBinding>,
    /// The process whose end is the container's end: its shim.
    pub pid: i32,
}

/// An interface's counters since it was made, as seen from inside the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets not received for want of room.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets not sent for want of room.
    pub tx_dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses() {
        let mac: MacAddress = "02:42:ac:11:00:02".parse().unwrap();
        assert_eq!(mac, MacAddress::from_ip(Ipv4Addr::new(172, 17, 0, 2)));
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        for bad in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "01:42:ac:11:00:02",
            "00:00:00:00:00:00",
            "+2:42:ac:11:00:02",
            "02:42:ac:11:00:é",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad:?} was taken");
        }
    }
}
