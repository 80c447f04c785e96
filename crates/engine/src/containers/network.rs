//! A container's network: which mode, which ports, and connecting and letting go.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use gantry_network::{EndpointId, HostPort, NetworkError, PortRequest, Protocol, Want};
use gantry_runtime::spec::NetworkNamespace;

use super::{Container, ContainerId, Definition, EndpointState, PublishedPort, Record};
use crate::error::{Error, Result};
use crate::state::Engine;

/// `HostConfig.NetworkMode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The default bridge.
    Bridge,
    /// The host's own network.
    Host,
    /// A namespace with loopback only.
    None,
    /// The namespace of another container, by its id.
    Container(String),
}

impl Mode {
    /// Reads `NetworkMode`; empty and `default` are the bridge.
    pub fn parse(text: &str) -> Result<Mode> {
        match text {
            "" | "default" | "bridge" => Ok(Mode::Bridge),
            "host" => Ok(Mode::Host),
            "none" => Ok(Mode::None),
            other => match other.strip_prefix("container:") {
                Some("") => Err(Error::invalid(
                    "Invalid network mode: invalid container format container:<name|id>",
                )),
                Some(query) => Ok(Mode::Container(query.to_owned())),
                // Not 404: at a create that means the image to every client, which would pull it and try again.
                None => Err(Error::invalid(format!(
                    "network {} not found",
                    other.escape_debug()
                ))),
            },
        }
    }

    /// The mode of a container that was created.
    pub fn of(definition: &Definition) -> Mode {
        let text = definition.host.network_mode.as_deref().unwrap_or_default();
        Mode::parse(text).unwrap_or(Mode::Bridge)
    }

    /// The network's name as inspect shows it; none for another container's namespace.
    pub fn network(&self) -> Option<&'static str> {
        match self {
            Mode::Bridge => Some("bridge"),
            Mode::Host => Some("host"),
            Mode::None => Some("none"),
            Mode::Container(_) => None,
        }
    }
}

/// The id of a network: always the same for one name, since there is one engine a data root and three networks.
pub fn id_of(name: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(format!("gantry network {name}")))
}

/// A port as `80/tcp`, `80`, or a range `8000-8010/udp`.
pub fn parse_port(text: &str) -> Result<(std::ops::RangeInclusive<u16>, Protocol)> {
    let invalid = |why: &str| {
        Error::invalid(format!(
            "invalid port specification: \"{}\"{why}",
            text.escape_debug()
        ))
    };
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => {
            return Err(Error::unsupported(format!(
                "can't publish {}: only tcp and udp ports are supported",
                text.escape_debug()
            )));
        }
        _ => return Err(invalid(": the protocol must be tcp or udp")),
    };
    Ok((parse_range(ports).ok_or_else(|| invalid(""))?, protocol))
}

/// `80` or `80-90`; 0 is no port.
fn parse_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let number = |digits: &str| {
        digits
            .parse::<u16>()
            .ok()
            .filter(|port| *port > 0 && !digits.starts_with('+'))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some(first..=last)
}

/// All ports that a definition publishes.
pub fn port_requests(definition: &Definition) -> Result<Vec<PortRequest>> {
    let mut requests = Vec::new();
    for (port, bindings) in definition.host.port_bindings.iter().flatten() {
        let (ports, protocol) = parse_port(port)?;
        // No binding at all is any port of the host, as Docker has it.
        let any = vec![gantry_api::models::PortBinding::default()];
        let bindings = bindings
            .as_ref()
            .filter(|list| !list.is_empty())
            .unwrap_or(&any);
        for binding in bindings {
            let host_ip =
                match binding.host_ip.as_deref().unwrap_or_default() {
                    "" => None,
                    text => Some(text.trim_matches(['[', ']']).parse::<IpAddr>().map_err(
                        |_| {
                            Error::invalid(format!(
                                "invalid host address of published port {port}: {}",
                                text.escape_debug()
                            ))
                        },
                    )?),
                };
            let host_port = match binding.host_port.as_deref().unwrap_or_default() {
                "" | "0" => HostPort::Any,
                text => {
                    let range = parse_range(text).ok_or_else(|| {
                        Error::invalid(format!(
                            "invalid host port of published port {port}: {}",
                            text.escape_debug()
                        ))
                    })?;
                    if range.start() == range.end() {
                        HostPort::Exact(*range.start())
                    } else {
                        HostPort::Range(*range.start(), *range.end())
                    }
                }
            };
            requests.extend(ports.clone().map(|container_port| PortRequest {
                container_port,
                protocol,
                host_ip,
                host_port,
            }));
        }
    }
    if definition.host.publish_all_ports == Some(true) {
        for port in definition.config.exposed_ports.iter().flatten() {
            let (ports, protocol) = parse_port(port)?;
            for container_port in ports {
                let have = requests.iter().any(|have: &PortRequest| {
                    (have.container_port, have.protocol) == (container_port, protocol)
                });
                if !have {
                    requests.push(PortRequest {
                        container_port,
                        protocol,
                        host_ip: None,
                        host_port: HostPort::Any,
                    });
                }
            }
        }
    }
    requests.sort_by_key(|request| (request.container_port, request.protocol));
    Ok(requests)
}

/// What was asked of the default network: a fixed address, a hardware address.
pub fn want(definition: &Definition) -> Result<Want> {
    let mut want = Want::default();
    for endpoint in definition.endpoints.values() {
        if let Some(ip) = endpoint
            .ipam_config
            .as_ref()
            .and_then(|ipam| ipam.ipv4_address.as_deref())
            .filter(|ip| !ip.is_empty())
        {
            want.ip = Some(ip.parse::<Ipv4Addr>().map_err(|_| {
                Error::invalid(format!("invalid IPv4 address: {}", ip.escape_debug()))
            })?);
        }
        if let Some(mac) = endpoint
            .mac_address
            .as_deref()
            .filter(|mac| !mac.is_empty())
        {
            want.mac = Some(mac.parse()?);
        }
    }
    Ok(want)
}

/// A connected container.
#[derive(Debug)]
pub struct Connected {
    /// What the runtime is told.
    pub namespace: NetworkNamespace,
    /// Its place on the bridge.
    pub endpoint: Option<EndpointState>,
    /// What is published.
    pub ports: Vec<PublishedPort>,
}

/// The network's id of a container.
pub fn endpoint_id(id: &ContainerId) -> Result<EndpointId> {
    Ok(id.as_str().parse()?)
}

/// Makes the namespace, joins the network and publishes the ports. The caller lets go of it all on an error.
pub async fn connect(engine: &Arc<Engine>, record: &Record, mode: &Mode) -> Result<Connected> {
    let id = endpoint_id(record.id())?;
    let alone = |namespace| Connected {
        namespace,
        endpoint: None,
        ports: Vec::new(),
    };
    match mode {
        Mode::Host => Ok(alone(NetworkNamespace::Host)),
        Mode::Container(other) => Ok(alone(namespace_of(engine, other)?)),
        Mode::None => Ok(alone(NetworkNamespace::Path(
            engine.network.create_namespace(&id).await?,
        ))),
        Mode::Bridge => {
            let namespace = engine.network.create_namespace(&id).await?;
            let endpoint = engine
                .network
                .connect(&id, want(&record.definition)?)
                .await?;
            let requests = port_requests(&record.definition)?;
            let ports = if requests.is_empty() {
                Vec::new()
            } else {
                let published = engine.network.publish(&id, &requests).await;
                published.map_err(|error| unpublished(record, &error))?
            };
            Ok(Connected {
                namespace: NetworkNamespace::Path(namespace),
                endpoint: Some(EndpointState {
                    ip: endpoint.ip.into(),
                    prefix: endpoint.prefix,
                    gateway: endpoint.gateway.into(),
                    mac: endpoint.mac.to_string(),
                }),
                ports: ports
                    .into_iter()
                    .map(|port| PublishedPort {
                        container_port: port.container_port,
                        protocol: port.protocol.to_string(),
                        host_ip: port.host_ip,
                        host_port: port.host_port,
                    })
                    .collect(),
            })
        }
    }
}

/// dockerd's words, which people and scripts look for.
fn unpublished(record: &Record, error: &NetworkError) -> Error {
    Error::Internal(format!(
        "driver failed programming external connectivity on endpoint {} ({}): {error}",
        record.name(),
        record.id()
    ))
}

/// Lets go of everything of a container's network; what fails is logged, and the rest is still done.
pub async fn disconnect(engine: &Engine, record: &Record) {
    if !matches!(Mode::of(&record.definition), Mode::Bridge | Mode::None) {
        return;
    }
    let Ok(id) = endpoint_id(record.id()) else {
        return;
    };
    if let Err(failures) = engine.network.disconnect(&id).await {
        tracing::warn!(container.id = %record.id(), %failures, "the network wasn't let go of completely");
    }
}

/// The network namespace of a running container.
fn namespace_of(engine: &Engine, query: &str) -> Result<NetworkNamespace> {
    let other: Arc<Container> = engine.containers.find(query)?;
    let record = other.record();
    let Some(pid) = record.state.pid.filter(|_| record.state.phase.is_alive()) else {
        return Err(Error::conflict(format!(
            "cannot join network of a non running container: {}",
            record.id()
        )));
    };
    Ok(match Mode::of(&record.definition) {
        // Where it is pinned: a process's number may be another's by the time it is used.
        Mode::Bridge | Mode::None => {
            NetworkNamespace::Joined(engine.network.namespace_path(&endpoint_id(record.id())?))
        }
        Mode::Host => NetworkNamespace::Host,
        Mode::Container(_) => {
            NetworkNamespace::Joined(PathBuf::from(format!("/proc/{pid}/ns/net")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::record::tests::record;

    #[test]
    fn modes_that_are_not_ours_are_named() {
        assert_eq!(Mode::parse("default").unwrap(), Mode::Bridge);
        assert_eq!(
            Mode::parse("container:x").unwrap(),
            Mode::Container("x".to_owned())
        );
        assert_eq!(
            Mode::parse("mynet").unwrap_err().to_string(),
            "network mynet not found"
        );
        assert_eq!(Mode::parse("container:").unwrap_err().kind().status(), 400);
    }

    #[test]
    fn ports_and_ranges() {
        assert_eq!(parse_port("80").unwrap(), (80..=80, Protocol::Tcp));
        assert_eq!(
            parse_port("8000-8002/UDP").unwrap(),
            (8000..=8002, Protocol::Udp)
        );
        for text in ["", "0", "65536", "80-70", "+80", "80/icmp", "a", "80/"] {
            assert_eq!(parse_port(text).unwrap_err().kind().status(), 400, "{text}");
        }
        assert_eq!(parse_port("80/sctp").unwrap_err().kind().status(), 501);
    }

    #[test]
    fn all_exposed_ports_are_published_on_demand_but_none_twice() {
        let record = record(&ContainerId::random(), "web");
        let mut definition = (*record.definition).clone();
        definition.config.exposed_ports = Some(vec!["80/tcp".to_owned(), "53/udp".to_owned()]);
        definition.host.publish_all_ports = Some(true);
        let binding = gantry_api::models::PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some("8080-8090".to_owned()),
        };
        definition.host.port_bindings = Some([("80/tcp".to_owned(), Some(vec![binding]))].into());
        let requests = port_requests(&definition).unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].container_port, 53);
        assert_eq!(requests[0].host_port, HostPort::Any);
        assert_eq!(requests[1].host_port, HostPort::Range(8080, 8090));
        assert_eq!(requests[1].host_ip, Some("127.0.0.1".parse().unwrap()));
    }
}
