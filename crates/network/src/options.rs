//! What the engine's flags say about its network.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::Subnet;

/// How to open a [`Network`](crate::Network).
#[derive(Clone, Debug)]
pub struct Options {
    /// The bridge's name, at most 15 bytes (`IFNAMSIZ` - 1).
    pub bridge: String,
    /// The bridge's own address and its subnet (`--bip`). `None`: what the bridge has already, else the first of
    /// Docker's pools that none of the host's routes overlap.
    pub bip: Option<Subnet>,
    /// Addresses of the subnet that are never given to containers.
    pub exclude: Vec<Ipv4Addr>,
    /// `<exec-root>`: `netns/` and `proxy/` are made in it.
    pub exec_root: PathBuf,
    /// The `gantry-proxy` program.
    pub proxy_binary: PathBuf,
    /// The socket of who has the host's ports, where the engine runs in a machine; `None`: this is the host.
    pub host_agent: Option<PathBuf>,
    /// Forward between the host's other networks too, where forwarding has to be switched on for the containers.
    pub forward_others: bool,
    /// Bytes a packet may have; `None`: as the interface of the host's default route.
    pub mtu: Option<u32>,
}
