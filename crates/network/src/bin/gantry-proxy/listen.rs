//! The sockets the engine handed over, and tasks that serve them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_network::handshake::{ProxiedPort, UdpLimits};
use gantry_network::{PortBinding, Protocol};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use crate::{sys, tcp, udp};

/// Descriptors kept free for everything but connections.
const RESERVED: usize = 32;
/// Connections at once, however many descriptors there are: each costs the kernel its buffers.
const MAX_CONNECTIONS: usize = 16 * 1024;

/// Sockets not yet served.
#[derive(Default)]
pub(crate) struct Listeners(Vec<(ProxiedPort, OwnedFd)>);

impl Listeners {
    /// Takes the sockets of one order.
    pub(crate) fn add(&mut self, ports: &[ProxiedPort], sockets: Vec<OwnedFd>) -> io::Result<()> {
        if ports.len() != sockets.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a socket for each port",
            ));
        }
        self.0.extend(ports.iter().copied().zip(sockets));
        Ok(())
    }

    /// What the sockets hold, and for whom.
    pub(crate) fn bindings(&self) -> io::Result<Vec<(PortBinding, Ipv4Addr)>> {
        let bindings = self.0.iter().map(|(port, socket)| {
            let host = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
            let binding = PortBinding {
                container_port: port.target.port(),
                protocol: port.protocol,
                host_ip: host.ip(),
                host_port: host.port(),
            };
            Ok((binding, *port.target.ip()))
        });
        bindings.collect()
    }

    /// Serves them all, with at most `descriptors` open files.
    pub(crate) fn serve(self, limits: UdpLimits, descriptors: usize) -> io::Result<()> {
        // A connection has two ends; each listener may hold one that waits for its turn. A UDP session has one.
        let free = descriptors.saturating_sub(RESERVED + 2 * self.0.len());
        let connections = Arc::new(Semaphore::new((free / 4).clamp(1, MAX_CONNECTIONS)));
        let sessions = Arc::new(Semaphore::new((free / 2).clamp(1, MAX_CONNECTIONS)));
        for (port, socket) in self.0 {
            let target = SocketAddr::V4(port.target);
            match port.protocol {
                Protocol::Tcp => {
                    let listener = TcpListener::from_std(socket.into())?;
                    spawn_local(tcp::serve(listener, target, Arc::clone(&connections)));
                }
                Protocol::Udp => {
                    sys::tell_destination(&socket)?;
                    let socket = UdpSocket::from_std(socket.into())?;
                    spawn_local(udp::serve(socket, target, limits, Arc::clone(&sessions)));
                }
            }
        }
        Ok(())
    }
}
