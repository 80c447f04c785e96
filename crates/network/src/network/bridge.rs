//! Opening a network: the bridge, its address, its rules, forwarding.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rtnetlink::packet_route::link::InfoKind;

use super::burial::Burials;
use super::guard::Guard;
use super::{Inner, Network, blocking};
use crate::ipam::Pool;
use crate::kernel::links::{Link, Links, Route, exists};
use crate::kernel::netfilter::{Netfilter, watch_rules};
use crate::kernel::{firewalls, forwarding, rules, sysctl, tables};
use crate::publish::{Agent, Place};
use crate::{MacAddress, NetworkError, Options, Subnet};

/// Packet size where the host has no default route.
const USUAL_MTU: u32 = 1500;
/// Longest name of an interface: `IFNAMSIZ` without its zero.
const MAX_NAME: usize = 15;

impl Network {
    /// Sets up the bridge, its rules and IPv4 forwarding; what is there already is kept. Call
    /// [`Network::reconcile`] next, before anything else.
    ///
    /// # Errors
    /// Where the kernel refuses, `nft` is missing, or there is no network to take.
    pub async fn open(options: Options) -> Result<Self, NetworkError> {
        check_name(&options.bridge)?;
        for folder in ["netns", "proxy"] {
            make_folder(&options.exec_root.join(folder))?;
        }
        let links = Links::open()?;
        let routes = links.routes().await?;
        let mtu = match options.mtu {
            Some(mtu) => mtu,
            None => default_mtu(&links, &routes).await?,
        };
        let (bridge, subnet) = set_up_bridge(&links, &options, &routes, mtu).await?;
        let (name, forward_others) = (options.bridge.clone(), options.forward_others);
        let (netfilter, changes) = blocking(move || {
            let opened = |source| NetworkError::System {
                what: "open netfilter",
                source,
            };
            forwarding::switch_on(forward_others)?;
            rules::install(&name, subnet)?;
            // Watched from before the first look, so that nothing is missed in between.
            let changes = watch_rules().map_err(opened)?;
            firewalls::exempt(&name);
            Ok((Netfilter::open().map_err(opened)?, changes))
        })
        .await?;
        let netfilter = Arc::new(netfilter);
        remove_orphans(&links, &netfilter).await;
        let pool = Pool::new(&options.bridge, subnet, &options.exclude);
        let place = match &options.host_agent {
            None => Place::Here,
            Some(path) => Place::Outside(Arc::new(Agent::new(path.clone(), subnet.gateway()))),
        };
        let inner = Arc::new(Inner {
            options,
            place,
            subnet,
            mtu,
            bridge,
            links,
            netfilter,
            pool: Mutex::new(pool),
            burials: Burials::open()?,
            attached: Mutex::default(),
            restoring: tokio::sync::Mutex::default(),
        });
        let guard = Arc::new(Guard::begin(&inner, changes)?);
        Ok(Self {
            inner,
            _guard: guard,
        })
    }
}

/// Removes the tables of networks whose bridge is gone. What fails is logged: this network works without it.
async fn remove_orphans(links: &Links, netfilter: &Arc<Netfilter>) {
    let asked = Arc::clone(netfilter);
    // The tables before the bridges: an engine that starts just now makes its bridge first.
    let removed = async {
        let tables = blocking(move || tables::bridges(&asked)).await?;
        for bridge in tables {
            if links.find(&bridge).await?.is_none() {
                let asked = Arc::clone(netfilter);
                blocking(move || tables::remove(&asked, &bridge)).await?;
            }
        }
        Ok::<_, NetworkError>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(%error, "could not look for rules of networks that are gone");
    }
}

/// The name goes into rules and paths: plain words only.
fn check_name(name: &str) -> Result<(), NetworkError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    if starts_well && name.len() <= MAX_NAME && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(NetworkError::InvalidBridge(name.chars().take(80).collect()))
    }
}

fn make_folder(path: &Path) -> Result<(), NetworkError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(|source| NetworkError::File {
            what: "create",
            path: path.to_owned(),
            source,
        })
}

/// The packet size of the interface that the host's traffic goes out by.
async fn default_mtu(links: &Links, routes: &[Route]) -> Result<u32, NetworkError> {
    let defaults = routes.iter().filter(|route| route.prefix == 0);
    let interface = defaults
        .min_by_key(|route| route.metric)
        .and_then(|route| route.interface);
    let link = match interface {
        Some(index) => links.with_index(index).await?,
        None => None,
    };
    Ok(link.map_or(USUAL_MTU, |link| link.mtu))
}

/// Makes the bridge, or takes the one that is there. Gives its index and its network.
async fn set_up_bridge(
    links: &Links,
    options: &Options,
    routes: &[Route],
    mtu: u32,
) -> Result<(u32, Subnet), NetworkError> {
    let name = &options.bridge;
    let found = links.find(name).await?;
    let present = match &found {
        Some(link) => links.addresses(link.index).await?,
        None => Vec::new(),
    };
    let subnet = match (options.bip, present.first()) {
        (Some(subnet), _) => subnet,
        (None, Some(&(ip, prefix))) => Subnet::new(ip, prefix)?,
        (None, None) => free_subnet(routes).ok_or_else(|| NetworkError::NoFreeSubnet {
            bridge: name.clone(),
        })?,
    };
    let link = match found {
        Some(link) => link,
        None => make_bridge(links, name, subnet).await?,
    };
    if !matches!(link.kind, Some(InfoKind::Bridge)) {
        return Err(NetworkError::NotABridge(name.clone()));
    }
    let ours = (subnet.gateway(), subnet.prefix());
    if !present.contains(&ours) {
        links.add_address(link.index, ours.0, ours.1).await?;
    }
    // Not told which, it takes the first and leaves the rest alone.
    let others = present
        .into_iter()
        .filter(|address| options.bip.is_some() && *address != ours);
    for (ip, prefix) in others {
        links.remove_address(link.index, ip, prefix).await?;
    }
    // Its traffic is IPv4; without this every bridge would call out for routers and neighbours.
    sysctl::set_if_present(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")?;
    links.up(link.index, Some(mtu)).await?;
    Ok((link.index, subnet))
}

async fn make_bridge(links: &Links, name: &str, subnet: Subnet) -> Result<Link, NetworkError> {
    match links
        .add_bridge(name, MacAddress::from_ip(subnet.gateway()))
        .await
    {
        Err(error) if !exists(&error) => return Err(error),
        _ => {}
    }
    links
        .find(name)
        .await?
        .ok_or_else(|| NetworkError::NoInterface(name.to_owned()))
}

/// The first of Docker's default pools that shares no address with a route of the host.
fn free_subnet(routes: &[Route]) -> Option<Subnet> {
    let large = (17..=31).map(|second| (Ipv4Addr::new(172, second, 0, 1), 16));
    let small = (0..=240)
        .step_by(16)
        .map(|third| (Ipv4Addr::new(192, 168, third, 1), 20));
    large
        .chain(small)
        .filter_map(|(gateway, prefix)| Subnet::new(gateway, prefix).ok())
        .find(|subnet| {
            // The default route overlaps with everything and means nothing.
            routes
                .iter()
                .filter(|route| route.prefix > 0)
                .all(|route| !subnet.overlaps(route.network, route.prefix))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(network: [u8; 4], prefix: u8) -> Route {
        Route {
            network: network.into(),
            prefix,
            interface: Some(1),
            metric: 0,
        }
    }

    #[test]
    fn a_free_network_is_found() {
        let free = |routes: &[Route]| free_subnet(routes).map(|subnet| subnet.to_string());
        assert_eq!(
            free(&[route([0, 0, 0, 0], 0)]).as_deref(),
            Some("172.17.0.1/16")
        );
        assert_eq!(
            free(&[route([172, 17, 8, 0], 24), route([172, 18, 0, 0], 16)]).as_deref(),
            Some("172.19.0.1/16")
        );
        assert_eq!(
            free(&[route([172, 16, 0, 0], 12)]).as_deref(),
            Some("192.168.0.1/20")
        );
        assert_eq!(
            free(&[route([172, 16, 0, 0], 12), route([192, 168, 0, 0], 16)]),
            None
        );
    }

    #[test]
    fn bridge_names_that_would_be_rules_are_refused() {
        for bad in ["", "a b", "x\"", "x;y", "../x", "1x", &"a".repeat(16)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name("gantry0").is_ok());
        assert!(check_name("br-1.2_x").is_ok());
    }
}
