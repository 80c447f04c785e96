//! Binding the host's ports. A bound socket is the only proof that a port is ours; in a machine, the host's word is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use super::Place;
use super::agent::Claimed;
use crate::{HostPort, NetworkError, PortBinding, PortRequest, Protocol};

/// Sockets one container may hold.
const MAX_SOCKETS: usize = 8192;
/// Connections the kernel keeps for the proxy; capped by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Ports tried where any will do: IPv4 may have one free that IPv6 has not.
const ANY_TRIES: usize = 64;

/// A held port: its socket is bound and, for TCP, listening.
#[derive(Debug)]
pub(crate) struct Held {
    /// As people are told.
    pub(crate) binding: PortBinding,
    /// Where its traffic arrives.
    pub(crate) socket: OwnedFd,
    /// In a machine: by what it is ours.
    pub(crate) claimed: Option<Claimed>,
}

/// Holds all requested ports, or none.
pub(crate) fn hold(place: &Place, requests: &[PortRequest]) -> Result<Vec<Held>, NetworkError> {
    let count: usize = requests
        .iter()
        .map(|request| if request.host_ip.is_some() { 1 } else { 2 })
        .sum();
    if count > MAX_SOCKETS {
        return Err(NetworkError::TooManyPorts {
            count,
            limit: MAX_SOCKETS,
        });
    }
    let mut held = Vec::with_capacity(count);
    match hold_all(place, requests, &mut held) {
        Ok(()) => {
            held.sort_by_key(|held| held.binding);
            Ok(held)
        }
        Err(error) => {
            place.let_go(held.iter().map(|held| &held.binding));
            Err(error)
        }
    }
}

fn hold_all(
    place: &Place,
    requests: &[PortRequest],
    held: &mut Vec<Held>,
) -> Result<(), NetworkError> {
    // Chosen ports last, so that one left to chance doesn't take the place of one asked for.
    let by_chance = |request: &&PortRequest| !matches!(request.host_port, HostPort::Exact(_));
    for request in requests.iter().filter(|request| !by_chance(request)) {
        held.extend(hold_one(place, request)?);
    }
    for request in requests.iter().filter(by_chance) {
        held.extend(hold_one(place, request)?);
    }
    Ok(())
}

/// Holds the very same ports again, after their proxy died.
pub(crate) fn hold_again(
    place: &Place,
    bindings: &[PortBinding],
) -> Result<Vec<Held>, NetworkError> {
    place.let_go(bindings);
    bindings
        .iter()
        .map(|binding| {
            place.hold(
                binding.container_port,
                binding.protocol,
                binding.host_address(),
            )
        })
        .collect()
}

fn hold_one(place: &Place, request: &PortRequest) -> Result<Vec<Held>, NetworkError> {
    match request.host_port {
        HostPort::Exact(port) => hold_at(place, request, port),
        HostPort::Any => {
            let mut last = None;
            for _ in 0..ANY_TRIES {
                match hold_at(place, request, 0) {
                    Err(error @ NetworkError::PortTaken { .. }) => last = Some(error),
                    other => return other,
                }
            }
            Err(last.unwrap_or_else(|| all_taken(request, 0, u16::MAX)))
        }
        HostPort::Range(first, last) => {
            for port in first..=last {
                match hold_at(place, request, port) {
                    Err(NetworkError::PortTaken { .. }) => {}
                    other => return other,
                }
            }
            Err(all_taken(request, first, last))
        }
    }
}

fn all_taken(request: &PortRequest, first: u16, last: u16) -> NetworkError {
    let ip = request.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    NetworkError::PortsTaken {
        ip,
        first,
        last,
        protocol: request.protocol,
    }
}

/// Holds one port on the wanted address, or on all of IPv4 and of IPv6; port 0 is the kernel's choice.
fn hold_at(place: &Place, request: &PortRequest, port: u16) -> Result<Vec<Held>, NetworkError> {
    let hold = |ip: IpAddr, port| {
        place.hold(
            request.container_port,
            request.protocol,
            SocketAddr::new(ip, port),
        )
    };
    if let Some(ip) = request.host_ip {
        return Ok(vec![hold(ip, port)?]);
    }
    let ipv4 = hold(Ipv4Addr::UNSPECIFIED.into(), port)?;
    let port = ipv4.binding.host_port;
    match hold(Ipv6Addr::UNSPECIFIED.into(), port) {
        Ok(ipv6) => Ok(vec![ipv4, ipv6]),
        // A host without IPv6 publishes on IPv4.
        Err(NetworkError::Bind { source, .. }) if is_without_ipv6(&source) => Ok(vec![ipv4]),
        Err(error) => {
            place.let_go([&ipv4.binding]);
            Err(error)
        }
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(
            error.raw_os_error(),
            Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT)
        )
}

/// Binds a port of this system; port 0 is the kernel's choice.
pub(super) fn hold_here(
    container_port: u16,
    protocol: Protocol,
    address: SocketAddr,
) -> Result<Held, NetworkError> {
    let (socket, address) = bind_here(protocol, address)?;
    let binding = PortBinding {
        container_port,
        protocol,
        host_ip: address.ip(),
        host_port: address.port(),
    };
    Ok(Held {
        binding,
        socket,
        claimed: None,
    })
}

/// The bound socket and what it is bound to.
pub(super) fn bind_here(
    protocol: Protocol,
    address: SocketAddr,
) -> Result<(OwnedFd, SocketAddr), NetworkError> {
    let failed = |errno| failed(protocol, address, errno);
    let socket = bound(protocol, address).map_err(failed)?;
    let name = getsockname(&socket).and_then(SocketAddr::try_from);
    let at = SocketAddr::new(address.ip(), name.map_err(failed)?.port());
    Ok((socket, at))
}

fn bound(protocol: Protocol, address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(
        family,
        kind,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    match protocol {
        Protocol::Tcp => {
            // Connections of the port's last owner may still be dying. (For UDP it would let two share a port.)
            set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            listen(&socket, BACKLOG)?;
        }
        Protocol::Udp => bind(&socket, &address)?,
    }
    Ok(socket)
}

fn failed(protocol: Protocol, address: SocketAddr, errno: Errno) -> NetworkError {
    match errno {
        Errno::ADDRINUSE => NetworkError::PortTaken { address, protocol },
        other => NetworkError::Bind {
            address,
            protocol,
            source: other.into(),
        },
    }
}
