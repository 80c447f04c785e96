//! Which addresses of a network are given out.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::{NetworkError, Subnet};

/// The addresses of one network. It forgets nothing by itself and keeps nothing on disk: the engine's word at
/// reconcile is its memory.
#[derive(Debug)]
pub(crate) struct Pool {
    subnet: Subnet,
    bridge: String,
    /// Given out, or never to be.
    taken: BTreeSet<u32>,
    /// Where to look first: an address just given back is the last to be given out again, so that neighbours'
    /// caches and late packets of its last owner die out.
    next: u32,
}

impl Pool {
    pub(crate) fn new(bridge: &str, subnet: Subnet, exclude: &[Ipv4Addr]) -> Self {
        let mut taken: BTreeSet<u32> = exclude.iter().map(|ip| ip.to_bits()).collect();
        taken.extend(
            [subnet.network(), subnet.broadcast(), subnet.gateway()].map(Ipv4Addr::to_bits),
        );
        Self {
            subnet,
            bridge: bridge.to_owned(),
            taken,
            next: subnet.network().to_bits(),
        }
    }

    /// Gives out `want`, or any.
    pub(crate) fn take(&mut self, want: Option<Ipv4Addr>) -> Result<Ipv4Addr, NetworkError> {
        let address = match want {
            Some(ip) if !self.subnet.contains(ip) => return Err(NetworkError::AddressOutside(ip)),
            Some(ip) if self.taken.contains(&ip.to_bits()) => {
                return Err(NetworkError::AddressTaken(ip));
            }
            Some(ip) => ip.to_bits(),
            None => {
                let free = self
                    .free_from(self.next)
                    .or_else(|| self.free_from(self.subnet.network().to_bits()));
                let free = free.ok_or_else(|| NetworkError::AddressesExhausted {
                    bridge: self.bridge.clone(),
                    subnet: self.subnet.cidr(),
                })?;
                self.next = free + 1;
                free
            }
        };
        self.taken.insert(address);
        Ok(Ipv4Addr::from_bits(address))
    }

    /// Takes `ip` back. Addresses that are nobody's stay so.
    pub(crate) fn give_back(&mut self, ip: Ipv4Addr) {
        self.taken.remove(&ip.to_bits());
    }

    /// The lowest free address not below `start`. Walks over the taken ones only.
    fn free_from(&self, start: u32) -> Option<u32> {
        let mut candidate = start;
        for &taken in self.taken.range(start..) {
            if taken > candidate {
                break;
            }
            candidate = taken.checked_add(1)?;
        }
        (candidate < self.subnet.broadcast().to_bits()).then_some(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(subnet: &str, exclude: &[&str]) -> Pool {
        let exclude: Vec<_> = exclude.iter().map(|ip| ip.parse().unwrap()).collect();
        Pool::new("br", subnet.parse().unwrap(), &exclude)
    }

    fn last(result: Result<Ipv4Addr, NetworkError>) -> u8 {
        result.unwrap().octets()[3]
    }

    #[test]
    fn addresses_go_round_and_run_out() {
        let mut pool = pool("10.0.0.3/29", &["10.0.0.5"]);
        let given: Vec<u8> = (0..4).map(|_| last(pool.take(None))).collect();
        assert_eq!(given, [1, 2, 4, 6]);
        assert!(matches!(
            pool.take(None),
            Err(NetworkError::AddressesExhausted { .. })
        ));
        pool.give_back(Ipv4Addr::new(10, 0, 0, 2));
        pool.give_back(Ipv4Addr::new(10, 0, 0, 4));
        assert_eq!(last(pool.take(None)), 2);
        pool.give_back(Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(
            last(pool.take(None)),
            4,
            "the address given back last came first"
        );
    }

    #[test]
    fn a_wanted_address_is_given_or_refused() {
        let mut pool = pool("10.0.0.1/24", &["10.0.0.9"]);
        assert_eq!(last(pool.take(Some(Ipv4Addr::new(10, 0, 0, 7)))), 7);
        for taken in [0, 1, 7, 9, 255] {
            let ip = Ipv4Addr::new(10, 0, 0, taken);
            assert!(
                matches!(pool.take(Some(ip)), Err(NetworkError::AddressTaken(_))),
                "{ip}"
            );
        }
        assert!(matches!(
            pool.take(Some(Ipv4Addr::new(10, 0, 1, 7))),
            Err(NetworkError::AddressOutside(_))
        ));
    }

    #[test]
    fn the_top_of_the_address_space_does_not_overflow() {
        let mut pool = pool("255.255.255.253/30", &[]);
        assert_eq!(last(pool.take(None)), 254);
        assert!(pool.take(None).is_err());
    }
}
