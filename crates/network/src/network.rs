//! A bridge and the containers on it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{
    Counters, Endpoint, EndpointId, Failures, Live, NetworkError, Options, PortBinding,
    PortRequest, Subnet, Want,
};

/// A handle to one bridge network; cheap to clone.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Options>,
}

/// What [`Network::reconcile`] could not bring back.
#[derive(Debug, Default)]
pub struct Report {
    /// Living containers of which something is gone, and why; they live on without it.
    pub damaged: Vec<(EndpointId, NetworkError)>,
    /// Things of ours that could not be removed.
    pub failures: Failures,
}

impl Network {
    /// Sets up the bridge, its rules and IPv4 forwarding; what is there already is kept. Then call
    /// [`Network::reconcile`] before anything else.
    ///
    /// # Errors
    /// Where the kernel refuses, `nft` is missing, or there is no network to take.
    pub async fn open(options: Options) -> Result<Self, NetworkError> {
        Ok(Self {
            inner: Arc::new(options),
        })
    }

    /// The bridge's name.
    pub fn bridge(&self) -> &str {
        &self.inner.bridge
    }

    /// The gateway's address and the network.
    pub fn subnet(&self) -> Subnet {
        self.inner.bip.expect("skeleton")
    }

    /// Largest packet, in bytes.
    pub fn mtu(&self) -> u32 {
        1500
    }

    /// The containers on the bridge and their addresses.
    pub fn endpoints(&self) -> Vec<(EndpointId, Endpoint)> {
        Vec::new()
    }

    /// Where `id`'s namespace is or would be pinned.
    pub fn namespace_path(&self, id: &EndpointId) -> PathBuf {
        self.inner.exec_root.join("netns").join(id.as_str())
    }

    /// Makes and pins a namespace with only a loopback interface, which is up: all that a container in `none` mode
    /// gets. A namespace left over under this id is replaced.
    pub async fn create_namespace(&self, id: &EndpointId) -> Result<PathBuf, NetworkError> {
        Err(NetworkError::NotConnected(id.clone()))
    }

    /// Joins `id`'s namespace to the bridge: a veth pair, an address, the default route. On an error nothing stays
    /// but the namespace.
    pub async fn connect(&self, id: &EndpointId, want: Want) -> Result<Endpoint, NetworkError> {
        let _ = want;
        Err(NetworkError::NotConnected(id.clone()))
    }

    /// Holds the host's ports and leads them to the container: all of `ports` or, on an error, none. Once per
    /// container. The proxy ends when the engine does, unless [`Network::follow`] was called.
    pub async fn publish(
        &self,
        id: &EndpointId,
        ports: &[PortRequest],
    ) -> Result<Vec<PortBinding>, NetworkError> {
        let _ = ports;
        Err(NetworkError::NotConnected(id.clone()))
    }

    /// Ties the container's published ports to process `pid` (its shim): they outlive the engine and are let go when
    /// the process ends. Nothing to do for a container that publishes nothing.
    pub async fn follow(&self, id: &EndpointId, pid: i32) -> Result<(), NetworkError> {
        let _ = pid;
        Err(NetworkError::NotConnected(id.clone()))
    }

    /// Takes everything of `id` away: proxy, rules, interfaces, namespace, address. Whatever fails, the rest is
    /// still done. An unknown id is no error.
    pub async fn disconnect(&self, id: &EndpointId) -> Result<(), Failures> {
        let _ = id;
        Ok(())
    }

    /// Makes the kernel's state and ours agree with what the engine knows to live: adopts it, restarts proxies that
    /// died, and removes everything else that bears this network's marks.
    pub async fn reconcile(&self, live: &[Live]) -> Report {
        let _ = live;
        Report::default()
    }

    /// The counters of the container's interface; `None` when it has none on this network.
    pub async fn figures(&self, id: &EndpointId) -> Result<Option<Counters>, NetworkError> {
        let _ = id;
        Ok(None)
    }

    /// What `host-gateway` stands for.
    pub fn host_gateway(&self) -> Ipv4Addr {
        self.subnet().gateway()
    }
}
