//! Interfaces, addresses and routes of one network namespace, over one rtnetlink connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use futures::{StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, Stats64,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup,
    RouteMessageBuilder,
};
use tokio::task::{AbortHandle, JoinHandle};

use crate::{MacAddress, NetworkError};

/// A connection to the kernel. It belongs to the namespace of the thread that opened it, wherever it is used.
pub(crate) struct Links {
    handle: Handle,
    /// Owns the socket.
    connection: JoinHandle<()>,
}

/// An interface.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    /// Index of the bridge it is a port of.
    pub(crate) master: Option<u32>,
    pub(crate) kind: Option<InfoKind>,
    pub(crate) stats: Option<Stats64>,
}

/// An IPv4 route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) network: Ipv4Addr,
    pub(crate) prefix: u8,
    /// Index of the interface it leads out by.
    pub(crate) interface: Option<u32>,
    /// Lower goes first.
    pub(crate) metric: u32,
}

/// A veth pair to be made.
pub(crate) struct Pair<'a> {
    pub(crate) host_name: &'a str,
    pub(crate) bridge: u32,
    pub(crate) mtu: u32,
    pub(crate) inner_name: &'a str,
    pub(crate) inner_mac: MacAddress,
    pub(crate) namespace: BorrowedFd<'a>,
}

impl Links {
    /// Opens a connection in the calling thread's namespace. Needs a runtime's context.
    pub(crate) fn open() -> Result<Self, NetworkError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|source| NetworkError::System {
                what: "open rtnetlink",
                source,
            })?;
        // Ends by itself when the handle is dropped.
        let connection = tokio::spawn(connection);
        Ok(Self { handle, connection })
    }

    /// Closes the connection. Until its socket is gone, the namespace it belongs to lives on.
    pub(crate) async fn close(self) {
        drop(self.handle);
        // A panic of the connection's task closes it as well.
        let _ = self.connection.await;
    }

    /// The interface of that name.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Link>, NetworkError> {
        let request = self.handle.link().get().match_name(name);
        match request.execute().try_next().await {
            Ok(message) => Ok(message.map(Link::from)),
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(failed(format!("look up interface {name}"), error)),
        }
    }

    /// The interface with that index.
    pub(crate) async fn with_index(&self, index: u32) -> Result<Option<Link>, NetworkError> {
        match self
            .handle
            .link()
            .get()
            .match_index(index)
            .execute()
            .try_next()
            .await
        {
            Ok(message) => Ok(message.map(Link::from)),
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(failed(format!("look up interface {index}"), error)),
        }
    }

    /// All ports of the bridge with that index.
    pub(crate) async fn ports_of(&self, bridge: u32) -> Result<Vec<Link>, NetworkError> {
        let links: Vec<LinkMessage> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| failed("list interfaces", error))?;
        Ok(links
            .into_iter()
            .map(Link::from)
            .filter(|link| link.master == Some(bridge))
            .collect())
    }

    /// Makes a bridge.
    pub(crate) async fn add_bridge(&self, name: &str, mac: MacAddress) -> Result<(), NetworkError> {
        // With an address of its own it doesn't change with the ports that come and go.
        let message = LinkBridge::new(name).address(mac.octets().to_vec()).build();
        self.handle
            .link()
            .add(message)
            .execute()
            .await
            .map_err(|error| failed(format!("add bridge {name}"), error))
    }

    /// Makes a veth pair in one step: the host's end up and on the bridge, the other one in the namespace.
    pub(crate) async fn add_pair(&self, pair: &Pair<'_>) -> Result<(), NetworkError> {
        let inner = LinkUnspec::new_with_name(pair.inner_name)
            .address(pair.inner_mac.octets().to_vec())
            .mtu(pair.mtu)
            .setns_by_fd(pair.namespace.as_raw_fd())
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(pair.host_name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inner)))
            .controller(pair.bridge)
            .mtu(pair.mtu)
            .up()
            .build();
        self.handle
            .link()
            .add(message)
            .execute()
            .await
            .map_err(|error| failed(format!("add veth pair {}", pair.host_name), error))
    }

    /// Removes an interface (of a pair: both ends). One that is gone already is no error.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), NetworkError> {
        let Some(link) = self.find(name).await? else {
            return Ok(());
        };
        match self.handle.link().del(link.index).execute().await {
            Err(error) if errno(&error) != Some(libc::ENODEV) => {
                Err(failed(format!("remove interface {name}"), error))
            }
            _ => Ok(()),
        }
    }

    /// Sets packet size and brings the interface up.
    pub(crate) async fn up(&self, index: u32, mtu: Option<u32>) -> Result<(), NetworkError> {
        let message = LinkUnspec::new_with_index(index).up();
        let message = match mtu {
            Some(mtu) => message.mtu(mtu),
            None => message,
        };
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .map_err(|error| failed(format!("bring up interface {index}"), error))
    }

    /// Makes an interface a port of the bridge with that index.
    pub(crate) async fn put_on_bridge(&self, index: u32, bridge: u32) -> Result<(), NetworkError> {
        let message = LinkUnspec::new_with_index(index)
            .controller(bridge)
            .up()
            .build();
        self.handle
            .link()
            .set(message)
            .execute()
            .await
            .map_err(|error| failed(format!("put interface {index} on the bridge"), error))
    }

    /// The IPv4 addresses of an interface.
    pub(crate) async fn addresses(&self, index: u32) -> Result<Vec<(Ipv4Addr, u8)>, NetworkError> {
        let messages: Vec<_> = self
            .handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute()
            .try_collect()
            .await
            .map_err(|error| failed(format!("list addresses of interface {index}"), error))?;
        let ours = |attribute: &AddressAttribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(ip)) => Some(*ip),
            _ => None,
        };
        Ok(messages
            .iter()
            .filter_map(|message| {
                let ip = message.attributes.iter().find_map(ours)?;
                Some((ip, message.header.prefix_len))
            })
            .collect())
    }

    /// Gives an interface an address.
    pub(crate) async fn add_address(
        &self,
        index: u32,
        ip: Ipv4Addr,
        prefix: u8,
    ) -> Result<(), NetworkError> {
        self.handle
            .address()
            .add(index, ip.into(), prefix)
            .execute()
            .await
            .map_err(|error| failed(format!("add address {ip}/{prefix}"), error))
    }

    /// Takes an address away from an interface.
    pub(crate) async fn remove_address(
        &self,
        index: u32,
        ip: Ipv4Addr,
        prefix: u8,
    ) -> Result<(), NetworkError> {
        let message = rtnetlink::AddressMessageBuilder::<Ipv4Addr>::new()
            .index(index)
            .address(ip, prefix)
            .build();
        self.handle
            .address()
            .del(message)
            .execute()
            .await
            .map_err(|error| failed(format!("remove address {ip}/{prefix}"), error))
    }

    /// Sends everything without a route of its own to `gateway`.
    pub(crate) async fn add_default_route(&self, gateway: Ipv4Addr) -> Result<(), NetworkError> {
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .build();
        self.handle
            .route()
            .add(message)
            .execute()
            .await
            .map_err(|error| failed(format!("add default route by {gateway}"), error))
    }

    /// The IPv4 routes, without those to the host's own addresses.
    pub(crate) async fn routes(&self) -> Result<Vec<Route>, NetworkError> {
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let messages: Vec<_> = self
            .handle
            .route()
            .get(all)
            .execute()
            .try_collect()
            .await
            .map_err(|error| failed("list routes", error))?;
        let routes = messages
            .into_iter()
            .filter(|message| message.header.table != libc::RT_TABLE_LOCAL);
        Ok(routes
            .map(|message| {
                let mut route = Route {
                    network: Ipv4Addr::UNSPECIFIED,
                    prefix: message.header.destination_prefix_length,
                    interface: None,
                    metric: 0,
                };
                for attribute in message.attributes {
                    match attribute {
                        RouteAttribute::Destination(RouteAddress::Inet(network)) => {
                            route.network = network
                        }
                        RouteAttribute::Oif(index) => route.interface = Some(index),
                        RouteAttribute::Priority(metric) => route.metric = metric,
                        _ => {}
                    }
                }
                route
            })
            .collect())
    }
}

/// Ends the watch when it is dropped.
pub(crate) struct Removals(AbortHandle);

impl Drop for Removals {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls `removed` whenever an interface of the calling thread's namespace is removed.
pub(crate) fn watch_removals(
    removed: impl Fn() + Send + 'static,
) -> Result<Removals, NetworkError> {
    let open = || -> Result<_, NetworkError> {
        let (connection, handle, messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link]).map_err(|source| {
                NetworkError::System {
                    what: "watch interfaces",
                    source,
                }
            })?;
        tokio::spawn(connection);
        Ok((handle, messages))
    };
    let mut opened = Ok::<_, NetworkError>(open()?);
    let watch = tokio::spawn(async move {
        // The connection ends with its last handle; or when more happened than it could keep.
        while let Ok((_handle, messages)) = &mut opened {
            while let Some((message, _)) = messages.next().await {
                if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(_)) =
                    message.payload
                {
                    removed();
                }
            }
            opened = open();
            // What was missed may have been one.
            removed();
        }
    });
    Ok(Removals(watch.abort_handle()))
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            ..Self::default()
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::Controller(index) => link.master = Some(index),
                LinkAttribute::Stats64(stats) => link.stats = Some(stats),
                LinkAttribute::LinkInfo(infos) => {
                    link.kind = infos.into_iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        link
    }
}

/// Whether the error says that the name or address is there already.
pub(crate) fn exists(error: &NetworkError) -> bool {
    matches!(error, NetworkError::Link { source, .. } if source.raw_os_error() == Some(libc::EEXIST))
}

fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code().abs()),
        _ => None,
    }
}

fn failed(what: impl Into<String>, error: rtnetlink::Error) -> NetworkError {
    let source = match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    };
    NetworkError::Link {
        what: what.into(),
        source,
    }
}
