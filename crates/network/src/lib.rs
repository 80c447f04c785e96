//! Bridge, addresses, NAT and published ports of containers.
//!
//! One [`Network`] is one bridge: it makes a container's network namespace before the container starts, joins it to
//! the bridge by a veth pair, gives it an address, and holds the ports it publishes. It knows no container
//! configuration and no API: the engine passes values in and keeps the state; after a crash it says who is alive
//! ([`Network::reconcile`]) and everything else that bears this network's marks is removed.
//!
//! # In the kernel
//! | thing | how it is known as ours |
//! |---|---|
//! | the bridge | its name ([`Options::bridge`]) |
//! | host ends of veth pairs | their master is the bridge; name `veth` + 11 hex digits of the id's hash |
//! | namespaces | pinned at `<exec-root>/netns/<id>` |
//! | NAT and filter rules | nftables table `ip gantry-<bridge>`, one a network; put back when a firewall flushes it |
//! | forwarding for others, shut | nftables table `ip gantry_forward`, which is nobody's and stays |
//!
//! # How a published port reaches the container
//! The host's port is *held by a bound socket* in `gantry-proxy`, one process per container that publishes, so a
//! taken port is an error and never a silent loss. IPv4 traffic for one of the host's own addresses (but not
//! loopback) is redirected in the kernel and never meets the proxy; loopback, IPv6 and a container that calls itself
//! through the host go through it.
//!
//! Where the engine runs in a machine ([`Options::host_agent`]), the host's port is *claimed of the host* before it
//! counts as published: the proxy holds the claim beside a socket on the guest's loopback, to which the host leads what
//! comes. All addresses told are the host's. The kernel redirects nothing then; for containers that call a published
//! port by their gateway's address, the proxy listens there too.

mod error;
#[doc(hidden)]
pub mod handshake;
mod hosts;
mod id;
mod ipam;
mod kernel;
mod network;
mod options;
mod ports;
mod publish;
mod resolv;
mod subnet;
mod types;

pub use error::{Failures, NetworkError};
pub use gantry_claim::{Protocol, UnknownProtocol};
pub use hosts::{ExtraHost, HostAddress, ParseHostError, hosts_file, hosts_file_of_host};
pub use id::EndpointId;
#[doc(hidden)]
pub use kernel::elements::withdraw;
pub use network::{Network, Report};
pub use options::Options;
pub use ports::{HostPort, PortBinding, PortRequest};
pub use resolv::{DnsOptions, Namespace, ResolvConf, resolv_conf};
pub use subnet::{ParseSubnetError, Subnet};
pub use types::{Attachment, Counters, Endpoint, Live, MacAddress, Want};
