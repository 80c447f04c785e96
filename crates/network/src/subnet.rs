//! An address together with the IPv4 network it lies in.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A gateway's address and the network it serves, such as `172.17.0.1/16`.
///
/// The prefix is 8 to 30 bits long, so there is room for a gateway and a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

/// Why a text or an address is no [`Subnet`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSubnetError {
    /// Not of the form `a.b.c.d/n`.
    #[error("invalid CIDR address: {0}")]
    Malformed(String),
    /// The prefix leaves no room for containers, or takes in more than one network class.
    #[error("the prefix of {0} must be between 8 and 30 bits")]
    Prefix(String),
    /// The address is the network's own or its broadcast address.
    #[error("{0} is not an address a host can have in its network")]
    NotAHost(String),
}

impl Subnet {
    /// The network `address` lies in; `address` is the gateway's.
    ///
    /// # Errors
    /// Where the prefix or the address leaves no usable network.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, ParseSubnetError> {
        let subnet = Self { address, prefix };
        if !(8..=30).contains(&prefix) {
            return Err(ParseSubnetError::Prefix(subnet.to_string()));
        }
        if address == subnet.network() || address == subnet.broadcast() {
            return Err(ParseSubnetError::NotAHost(subnet.to_string()));
        }
        Ok(subnet)
    }

    /// The bridge's own address, the containers' gateway.
    pub fn gateway(&self) -> Ipv4Addr {
        self.address
    }

    /// Bits of the network part.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The lowest address, which names the network.
    pub fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The highest address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())
    }

    /// Whether `address` lies in this network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.network().to_bits()
    }

    /// Whether this network and `network`/`prefix` share an address.
    pub fn overlaps(&self, network: Ipv4Addr, prefix: u8) -> bool {
        let shorter = mask(self.prefix.min(prefix));
        self.address.to_bits() & shorter == network.to_bits() & shorter
    }

    /// The network in CIDR form, such as `172.17.0.0/16`.
    pub fn cidr(&self) -> String {
        format!("{}/{}", self.network(), self.prefix)
    }

    fn mask(&self) -> u32 {
        mask(self.prefix)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = ParseSubnetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseSubnetError::Malformed(text.escape_default().take(80).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let address = address.parse().map_err(|_| malformed())?;
        let prefix = prefix.parse().map_err(|_| malformed())?;
        Self::new(address, prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_network() {
        let subnet: Subnet = "172.17.0.1/16".parse().unwrap();
        assert_eq!(subnet.cidr(), "172.17.0.0/16");
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(172, 17, 255, 255));
        assert!(subnet.contains(Ipv4Addr::new(172, 17, 9, 9)));
        assert!(!subnet.contains(Ipv4Addr::new(172, 18, 0, 1)));
        assert!(subnet.overlaps(Ipv4Addr::new(172, 16, 0, 0), 12));
        assert!(subnet.overlaps(Ipv4Addr::new(172, 17, 4, 0), 24));
        assert!(subnet.overlaps(Ipv4Addr::UNSPECIFIED, 0));
        assert!(!subnet.overlaps(Ipv4Addr::new(172, 18, 0, 0), 16));
    }

    #[test]
    fn unusable_networks_are_refused() {
        for bad in [
            "",
            "1.2.3.4",
            "1.2.3.4/",
            "1.2.3.4/33",
            "1.2.3.4/31",
            "1.2.3.4/7",
            "10.0.0.0/24",
            "10.0.0.255/24",
            "::1/64",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad:?} was taken");
        }
    }
}
