//! Elements of the maps in a network's table: one for each port that the kernel redirects by itself.
//!
//! The rules never change; publishing a port adds an element, without starting a program. Message layout:
//! [linux/netfilter/nf_tables.h].
//!
//! [linux/netfilter/nf_tables.h]: https://github.com/torvalds/linux/blob/master/include/uapi/linux/netfilter/nf_tables.h

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::netfilter::{ACK, CREATE, FAMILY_IPV4, NFTABLES, Netfilter, nft_batch};
use crate::{NetworkError, PortBinding, Protocol};

const NEW_ELEMENT: u16 = (NFTABLES << 8) | 12;
const DELETE_ELEMENT: u16 = (NFTABLES << 8) | 14;

/// NFTA_SET_ELEM_LIST_*
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
/// NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_DATA_VALUE
const ELEMENT: u16 = 1;
const KEY: u16 = 1;
const DATA: u16 = 2;
const VALUE: u16 = 1;

/// Elements in one message: an attribute is at most 64 KiB, an element at most 40 bytes.
const PER_MESSAGE: usize = 1000;

/// Which traffic for the host goes to which container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Redirect {
    map: &'static str,
    key: Vec<u8>,
    target: [u8; 8],
}

impl Redirect {
    /// What to redirect for a held port; `None` where it is all the proxy's: loopback and IPv6.
    pub(crate) fn new(binding: &PortBinding, container: Ipv4Addr) -> Option<Self> {
        let IpAddr::V4(host_ip) = binding.host_ip else {
            return None;
        };
        if host_ip.is_loopback() {
            return None;
        }
        let (map, key) = if host_ip.is_unspecified() {
            (
                ["tcp_any", "udp_any"],
                binding.host_port.to_be_bytes().to_vec(),
            )
        } else {
            (
                ["tcp_at", "udp_at"],
                address_and_port(host_ip, binding.host_port).to_vec(),
            )
        };
        let map = match binding.protocol {
            Protocol::Tcp => map[0],
            Protocol::Udp => map[1],
        };
        Some(Self {
            map,
            key,
            target: address_and_port(container, binding.container_port),
        })
    }
}

/// A concatenation `ipv4_addr . inet_service`: each part is padded to four bytes.
fn address_and_port(ip: Ipv4Addr, port: u16) -> [u8; 8] {
    let [a, b, c, d] = ip.octets();
    let [high, low] = port.to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

/// Adds elements to the maps of `table`: all or none. Gives `false`, and has done nothing, where there is no such table
/// any more. Blocking.
pub(crate) fn add(
    netfilter: &Netfilter,
    table: &str,
    redirects: &[Redirect],
) -> Result<bool, NetworkError> {
    match change(netfilter, table, NEW_ELEMENT, redirects) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result
            .map(|()| true)
            .map_err(|error| failed("add redirects", &error)),
    }
}

/// Removes what leads to a container's ports; for `gantry-proxy`, which may be the last to know of them. Blocking.
///
/// # Errors
/// The kernel's; what is gone already is no error.
pub fn withdraw(table: &str, ports: &[(PortBinding, Ipv4Addr)]) -> Result<(), NetworkError> {
    let redirects: Vec<_> = ports
        .iter()
        .filter_map(|(binding, container)| Redirect::new(binding, *container))
        .collect();
    let netfilter = Netfilter::open().map_err(|error| failed("open netfilter", &error))?;
    remove(&netfilter, table, &redirects)
}

/// Removes elements; those that are gone already are no error. Blocking.
pub(crate) fn remove(
    netfilter: &Netfilter,
    table: &str,
    redirects: &[Redirect],
) -> Result<(), NetworkError> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match change(netfilter, table, DELETE_ELEMENT, redirects) {
        // One that is missing undoes the whole transaction: then each by itself.
        Err(error) if gone(&error) => {
            for redirect in redirects {
                match change(
                    netfilter,
                    table,
                    DELETE_ELEMENT,
                    std::slice::from_ref(redirect),
                ) {
                    Err(error) if !gone(&error) => return Err(failed("remove redirects", &error)),
                    _ => {}
                }
            }
            Ok(())
        }
        result => result.map_err(|error| failed("remove redirects", &error)),
    }
}

fn change(netfilter: &Netfilter, table: &str, kind: u16, redirects: &[Redirect]) -> io::Result<()> {
    if redirects.is_empty() {
        return Ok(());
    }
    let mut sorted = redirects.to_vec();
    sorted.sort();
    let batch = nft_batch(|batch| {
        for same_map in sorted.chunk_by(|a, b| a.map == b.map) {
            for part in same_map.chunks(PER_MESSAGE) {
                let flags = if kind == NEW_ELEMENT {
                    ACK | CREATE
                } else {
                    ACK
                };
                batch.message(kind, flags, FAMILY_IPV4, 0, |w| {
                    w.attribute(LIST_TABLE, &c_string(table));
                    w.attribute(LIST_SET, &c_string(part[0].map));
                    w.nested(LIST_ELEMENTS, |w| {
                        for redirect in part {
                            w.nested(ELEMENT, |w| {
                                w.nested(KEY, |w| w.attribute(VALUE, &redirect.key));
                                if kind == NEW_ELEMENT {
                                    w.nested(DATA, |w| w.attribute(VALUE, &redirect.target));
                                }
                            });
                        }
                    });
                });
            }
        }
    });
    netfilter.talk(|socket| socket.execute(&batch))
}

fn c_string(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn failed(what: &str, error: &io::Error) -> NetworkError {
    NetworkError::Rules {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(host_ip: &str) -> Option<Redirect> {
        let binding = PortBinding {
            container_port: 80,
            protocol: Protocol::Udp,
            host_ip: host_ip.parse().unwrap(),
            host_port: 258,
        };
        Redirect::new(&binding, Ipv4Addr::new(10, 0, 0, 2))
    }

    #[test]
    fn loopback_and_ipv6_are_the_proxys() {
        for ip in ["127.0.0.1", "127.9.9.9", "::", "::1", "fd00::1"] {
            assert_eq!(redirect(ip), None, "{ip}");
        }
    }

    #[test]
    fn keys_are_as_the_maps_want_them() {
        let any = redirect("0.0.0.0").unwrap();
        assert_eq!(
            (any.map, any.key.as_slice(), any.target),
            ("udp_any", &[1, 2][..], [10, 0, 0, 2, 0, 80, 0, 0])
        );
        let at = redirect("192.0.2.1").unwrap();
        assert_eq!(
            (at.map, at.key.as_slice()),
            ("udp_at", &[192, 0, 2, 1, 1, 2, 0, 0][..])
        );
    }
}
