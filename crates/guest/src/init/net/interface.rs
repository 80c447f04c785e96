//! A network interface: up, with an address, with a way out.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use super::message::Lease;
use super::sys;

/// The machine's card.
#[derive(Debug)]
pub struct Card {
    /// As the kernel calls it.
    pub name: String,
    /// Its number.
    pub index: i32,
    /// Its hardware address.
    pub mac: [u8; 6],
}

impl Card {
    /// Reads who the card is.
    pub fn find(name: &str) -> io::Result<Self> {
        let read = |what: &str| fs::read_to_string(format!("/sys/class/net/{name}/{what}"));
        let index = read("ifindex")?.trim().parse().map_err(io::Error::other)?;
        let mac = parse_mac(read("address")?.trim())
            .ok_or_else(|| io::Error::other("no Ethernet address"))?;
        Ok(Self {
            name: name.to_owned(),
            index,
            mac,
        })
    }

    /// Gives it what a lease says, in place of what it had.
    pub fn configure(&self, lease: &Lease) -> io::Result<()> {
        let mut request = sys::request(&self.name)?;
        request.ifr_ifru.ifru_addr = sys::address(lease.address);
        sys::interface(libc::SIOCSIFADDR as _, &mut request)?;
        request.ifr_ifru.ifru_netmask = sys::address(lease.mask);
        sys::interface(libc::SIOCSIFNETMASK as _, &mut request)?;
        if let Some(mtu) = lease.mtu {
            request.ifr_ifru.ifru_mtu = i32::from(mtu);
            sys::interface(libc::SIOCSIFMTU as _, &mut request)?;
        }
        lease
            .router
            .map_or(Ok(()), |router| self.set_default_route(router))
    }

    /// A new address took the old route with it, but the same address did not.
    fn set_default_route(&self, router: Ipv4Addr) -> io::Result<()> {
        let mut route = sys::empty_route();
        route.rt_dst = sys::address(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = sys::address(Ipv4Addr::UNSPECIFIED);
        route.rt_gateway = sys::address(router);
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        match sys::route(libc::SIOCADDRT as _, &route) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            added => added,
        }
    }
}

/// Sets an interface up.
pub fn bring_up(name: &str) -> io::Result<()> {
    let mut request = sys::request(name)?;
    sys::interface(libc::SIOCGIFFLAGS as _, &mut request)?;
    let flags = sys::flags(&request) | libc::IFF_UP;
    sys::set_flags(&mut request, flags);
    sys::interface(libc::SIOCSIFFLAGS as _, &mut request)
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::parse_mac;

    #[test]
    fn hardware_addresses_are_read() {
        assert_eq!(
            parse_mac("52:54:00:12:34:56"),
            Some([0x52, 0x54, 0, 0x12, 0x34, 0x56])
        );
        for other in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:zz",
        ] {
            assert_eq!(parse_mac(other), None, "{other}");
        }
    }
}
