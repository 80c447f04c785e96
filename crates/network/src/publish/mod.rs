//! Holding the host's ports: sockets bound here, or claimed of the host whose machine this is; served by
//! `gantry-proxy`.

mod agent;
mod bind;
mod proxy;
mod record;

use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use agent::Agent;
pub(crate) use bind::{Held, hold, hold_again};
pub(crate) use proxy::{Followed, Proxy, stop_recorded};

use crate::{NetworkError, PortBinding, Protocol};

/// Where the host's ports are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On this system.
    Here,
    /// On the host of the machine that this system is.
    Outside(Arc<Agent>),
}

impl Place {
    /// Holds one port on one address; port 0 is the host's choice. Blocking.
    fn hold(
        &self,
        container_port: u16,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<Held, NetworkError> {
        match self {
            Self::Here => bind::hold_here(container_port, protocol, address),
            Self::Outside(agent) => agent.hold(container_port, protocol, address),
        }
    }

    /// Whether this system's kernel sees the traffic of published ports before their sockets do.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Here)
    }

    /// Tells that ports are free from now on, or will be in a moment.
    pub(crate) fn let_go<'a>(&self, bindings: impl IntoIterator<Item = &'a PortBinding>) {
        if let Self::Outside(agent) = self {
            agent.let_go(bindings);
        }
    }
}
