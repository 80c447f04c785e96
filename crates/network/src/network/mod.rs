//! A bridge and the containers on it: what the engine calls.

mod bridge;
mod burial;
mod connect;
mod guard;
mod publish;
mod reconcile;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burial::Burials;
use guard::Guard;

use crate::ipam::Pool;
use crate::kernel::elements::Redirect;
use crate::kernel::links::Links;
use crate::kernel::netfilter::Netfilter;
use crate::publish::{Place, Proxy};
use crate::{Counters, Endpoint, EndpointId, NetworkError, Options, PortBinding, Subnet};

pub use reconcile::Report;

/// A handle to one bridge network; cheap to clone.
///
/// Calls for different containers may run at the same time; calls for one container must follow one another.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
    /// Ends with the last handle.
    _guard: Arc<Guard>,
}

struct Inner {
    options: Options,
    subnet: Subnet,
    mtu: u32,
    /// Index of the bridge.
    bridge: u32,
    links: Links,
    netfilter: Arc<Netfilter>,
    pool: Mutex<Pool>,
    /// Where ports are published.
    place: Place,
    burials: Burials,
    attached: Mutex<HashMap<EndpointId, Attached>>,
    /// Held by who puts back a table that is gone.
    restoring: tokio::sync::Mutex<()>,
}

/// A container on the bridge.
struct Attached {
    endpoint: Endpoint,
    ports: Vec<PortBinding>,
    proxy: Option<Proxy>,
}

impl Inner {
    fn attached(&self) -> MutexGuard<'_, HashMap<EndpointId, Attached>> {
        // Nothing that holds the lock can panic half-way through a change.
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the kernel is to redirect by itself.
    fn redirects(&self) -> Vec<Redirect> {
        let attached = self.attached();
        let redirects = attached
            .values()
            .flat_map(|attached| self.redirects_of(&attached.ports, attached.endpoint.ip));
        redirects.collect()
    }

    /// The part of a container's ports that the kernel redirects.
    fn redirects_of(&self, ports: &[PortBinding], container: Ipv4Addr) -> Vec<Redirect> {
        // What comes to the host of a machine is none of this kernel's.
        let ports = ports.iter().filter(|_| self.place.is_here());
        ports
            .filter_map(|port| Redirect::new(port, container))
            .collect()
    }
}

impl Network {
    /// The bridge's name.
    pub fn bridge(&self) -> &str {
        &self.inner.options.bridge
    }

    /// The gateway's address and the network.
    pub fn subnet(&self) -> Subnet {
        self.inner.subnet
    }

    /// What `host-gateway` stands for in a container's `/etc/hosts`.
    pub fn host_gateway(&self) -> Ipv4Addr {
        self.inner.subnet.gateway()
    }

    /// Largest packet, in bytes.
    pub fn mtu(&self) -> u32 {
        self.inner.mtu
    }

    /// The containers on the bridge, by id.
    pub fn endpoints(&self) -> Vec<(EndpointId, Endpoint)> {
        let mut endpoints: Vec<_> = self
            .attached()
            .iter()
            .map(|(id, attached)| (id.clone(), attached.endpoint.clone()))
            .collect();
        endpoints.sort_by(|a, b| a.0.cmp(&b.0));
        endpoints
    }

    /// Where `id`'s namespace is or would be pinned.
    pub fn namespace_path(&self, id: &EndpointId) -> PathBuf {
        self.inner.options.exec_root.join("netns").join(id.as_str())
    }

    /// The counters of the container's interface; `None` when it has none on this network.
    ///
    /// # Errors
    /// Where the kernel doesn't answer.
    pub async fn figures(&self, id: &EndpointId) -> Result<Option<Counters>, NetworkError> {
        let name = self.host_interface(id);
        let Some(stats) = self
            .inner
            .links
            .find(&name)
            .await?
            .and_then(|link| link.stats)
        else {
            return Ok(None);
        };
        // What the host's end receives, the container has sent.
        Ok(Some(Counters {
            rx_bytes: stats.tx_bytes,
            rx_packets: stats.tx_packets,
            rx_errors: stats.tx_errors,
            rx_dropped: stats.tx_dropped,
            tx_bytes: stats.rx_bytes,
            tx_packets: stats.rx_packets,
            tx_errors: stats.rx_errors,
            tx_dropped: stats.rx_dropped,
        }))
    }

    fn host_interface(&self, id: &EndpointId) -> String {
        id.host_interface(self.bridge())
    }

    fn record_path(&self, id: &EndpointId) -> PathBuf {
        self.inner.options.exec_root.join("proxy").join(id.as_str())
    }

    fn attached(&self) -> MutexGuard<'_, HashMap<EndpointId, Attached>> {
        self.inner.attached()
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.inner
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs blocking work off the reactor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(NetworkError::System {
                what: "blocking work",
                source: std::io::Error::other(error),
            })
        })
}
