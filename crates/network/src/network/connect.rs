//! A container's namespace and its place on the bridge: made and taken away.

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Attached, Network, blocking};
use crate::kernel::links::{Links, Pair, exists};
use crate::kernel::{conntrack, namespace, sysctl};
use crate::publish::stop_recorded;
use crate::{Endpoint, EndpointId, Failures, MacAddress, NetworkError, Protocol, Want};

/// Name of the interface in the container.
pub(super) const INTERFACE: &str = "eth0";

impl Network {
    /// Makes and pins a namespace with only a loopback interface, which is up: all that a container in `none` mode
    /// gets. A namespace left over under this id is replaced.
    ///
    /// # Errors
    /// Where the kernel refuses; nothing stays.
    pub async fn create_namespace(&self, id: &EndpointId) -> Result<PathBuf, NetworkError> {
        let path = self.namespace_path(id);
        namespace::create(path.clone()).await?;
        Ok(path)
    }

    /// Joins `id`'s namespace to the bridge: a veth pair, an address, the default route.
    ///
    /// # Errors
    /// Where no address is left, the wanted one isn't free, or the kernel refuses; nothing stays but the namespace.
    pub async fn connect(&self, id: &EndpointId, want: Want) -> Result<Endpoint, NetworkError> {
        if self.attached().contains_key(id) {
            return Err(NetworkError::AlreadyConnected(id.clone()));
        }
        self.settle_one(id).await;
        let lease = match Lease::take(self, want.ip) {
            // Perhaps only until the last owner is gone altogether.
            Err(NetworkError::AddressTaken(_) | NetworkError::AddressesExhausted { .. }) => {
                self.settle().await;
                Lease::take(self, want.ip)?
            }
            lease => lease?,
        };
        let host_interface = self.host_interface(id);
        let endpoint = Endpoint {
            ip: lease.ip,
            prefix: self.inner.subnet.prefix(),
            gateway: self.inner.subnet.gateway(),
            mac: want.mac.unwrap_or_else(|| MacAddress::from_ip(lease.ip)),
            interface: INTERFACE.to_owned(),
            host_interface,
            netns: self.namespace_path(id),
        };
        if let Err(error) = self.join(&endpoint).await {
            if let Err(left) = self.inner.links.delete(&endpoint.host_interface).await {
                tracing::warn!(error = %left, "half-made interface left over");
            }
            return Err(error);
        }
        lease.keep();
        let attached = Attached {
            endpoint: endpoint.clone(),
            ports: Vec::new(),
            proxy: None,
        };
        self.attached().insert(id.clone(), attached);
        Ok(endpoint)
    }

    async fn join(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let links = &self.inner.links;
        let namespace = namespace::open(&endpoint.netns)?;
        let pair = Pair {
            host_name: &endpoint.host_interface,
            bridge: self.inner.bridge,
            mtu: self.inner.mtu,
            inner_name: &endpoint.interface,
            inner_mac: endpoint.mac,
            namespace: namespace.as_fd(),
        };
        match links.add_pair(&pair).await {
            // Left over from a crash: the name is made from the id, so it is this container's.
            Err(error) if exists(&error) => {
                links.delete(&endpoint.host_interface).await?;
                links.add_pair(&pair).await?;
            }
            result => result?,
        }
        // The container has no IPv6 on the bridge; its loopback keeps it.
        let without_ipv6 = |interface: &str| {
            sysctl::set_if_present(&format!("net/ipv6/conf/{interface}/disable_ipv6"), "1")
        };
        without_ipv6(&endpoint.host_interface)?;
        let inner_name = endpoint.interface.clone();
        let inside = namespace::inside(namespace, move || {
            without_ipv6(&inner_name)?;
            Links::open()
        })
        .await?;
        let configured = configure(&inside, endpoint).await;
        inside.close().await;
        configured
    }

    /// Takes everything of `id` away: proxy, redirects, interfaces, namespace, address. An unknown id is no error.
    ///
    /// The kernel removes the interfaces a little later, and then the address is free again: [`Network::settle`].
    ///
    /// # Errors
    /// All that went wrong; whatever fails, the rest is still done.
    pub async fn disconnect(&self, id: &EndpointId) -> Result<(), Failures> {
        let mut failures = Failures::default();
        let attached = self.attached().remove(id);
        let address = attached.as_ref().map(|attached| attached.endpoint.ip);
        if let Some(attached) = attached {
            self.unpublish(attached, &mut failures).await;
        }
        failures.note(stop_recorded(&self.record_path(id)).await);
        let path = self.namespace_path(id);
        failures.note(blocking(move || namespace::remove(&path)).await);
        self.bury(id, address);
        failures.into_result()
    }

    async fn unpublish(&self, attached: Attached, failures: &mut Failures) {
        let ip = attached.endpoint.ip;
        let redirects = self.inner.redirects_of(&attached.ports, ip);
        let udp = attached
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp);
        if !redirects.is_empty() {
            failures.note(self.undo_redirects(redirects).await);
        }
        if let Some(proxy) = attached.proxy {
            failures.note(proxy.stop().await);
        }
        self.inner.place.let_go(&attached.ports);
        if udp {
            let inner = Arc::clone(&self.inner);
            failures.note(
                blocking(move || conntrack::forget_udp(&inner.netfilter, |gone| gone == ip)).await,
            );
        }
    }
}

/// The container's end, seen from inside.
async fn configure(inside: &Links, endpoint: &Endpoint) -> Result<(), NetworkError> {
    let missing = || NetworkError::NoInterface(endpoint.interface.clone());
    let index = inside
        .find(&endpoint.interface)
        .await?
        .ok_or_else(missing)?
        .index;
    inside
        .add_address(index, endpoint.ip, endpoint.prefix)
        .await?;
    inside.up(index, None).await?;
    inside.add_default_route(endpoint.gateway).await
}

/// An address that goes back to the pool unless it is kept.
struct Lease<'a> {
    network: &'a Network,
    ip: Ipv4Addr,
    kept: bool,
}

impl<'a> Lease<'a> {
    fn take(network: &'a Network, want: Option<Ipv4Addr>) -> Result<Self, NetworkError> {
        let ip = network.pool().take(want)?;
        Ok(Self {
            network,
            ip,
            kept: false,
        })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.network.pool().give_back(self.ip);
        }
    }
}
