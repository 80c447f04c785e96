//! Networks, names and published ports.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig,
};
use clap::Args;

use super::key_values::csv;
use super::ports;
use super::process::some;
use crate::error::{CliError, Result};

/// How the container is reached and what it reaches.
#[derive(Debug, Args)]
pub struct NetworkFlags {
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "[IP:][HOST:]CONTAINER[/PROTOCOL]")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Connect a container to a network
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    network: Vec<String>,
    /// Add network-scoped alias for the container
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "ADDRESS")]
    link_local_ip: Vec<String>,
    /// Add link to another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    /// Container host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "HOST:IP")]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    dns: Vec<String>,
    /// Set DNS options
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
}

fn address(text: &str) -> Result<String, String> {
    match text.trim().parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("IP address is not correctly formatted: {text}")),
    }
}

impl NetworkFlags {
    /// Writes the flags into the API's body.
    pub fn apply(&self, body: &mut ContainerCreateBody, host: &mut HostConfig) -> Result<()> {
        let published = ports::publish(&self.publish)?;
        let mut exposed: Vec<String> = published.keys().cloned().collect();
        for port in &self.expose {
            exposed.extend(ports::expose(port)?);
        }
        exposed.sort();
        exposed.dedup();
        body.exposed_ports = some(&exposed);
        host.port_bindings = (!published.is_empty()).then_some(published);
        host.publish_all_ports = Some(self.publish_all);
        body.hostname = self.hostname.clone();
        body.domainname = self.domainname.clone();
        host.extra_hosts = some(&self.hosts()?);
        host.dns = some(&self.dns);
        host.dns_options = some(&self.dns_option);
        host.dns_search = some(&self.dns_search);
        host.links = some(&self.link);
        self.endpoints(body, host)
    }

    fn hosts(&self) -> Result<Vec<String>> {
        let wrong = |entry: &str| {
            CliError::invalid(format!("bad format for add-host: {entry:?}. Write host:ip"))
        };
        self.add_host
            .iter()
            .map(|entry| {
                // docker takes host=ip too, and sends it with a colon.
                let (name, address) = entry.split_once(['=', ':']).ok_or_else(|| wrong(entry))?;
                let address = address.trim_start_matches('[').trim_end_matches(']');
                let known =
                    address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok();
                if name.is_empty() || !known {
                    return Err(wrong(entry));
                }
                Ok(format!("{name}:{address}"))
            })
            .collect()
    }

    fn endpoints(&self, body: &mut ContainerCreateBody, host: &mut HostConfig) -> Result<()> {
        let mut endpoints = HashMap::new();
        for (at, network) in self.network.iter().enumerate() {
            let (name, endpoint) = self.endpoint(network, at == 0)?;
            if at == 0 {
                host.network_mode = Some(name.clone());
            }
            if endpoint != EndpointSettings::default() || self.network.len() > 1 {
                endpoints.insert(name, endpoint);
            }
        }
        if self.network.is_empty() {
            let (name, endpoint) = self.endpoint("default", true)?;
            if endpoint != EndpointSettings::default() {
                endpoints.insert(name, endpoint);
            }
        }
        if !endpoints.is_empty() {
            body.networking_config = Some(NetworkingConfig {
                endpoints_config: Some(endpoints),
            });
        }
        Ok(())
    }

    /// A network's name and what is wanted in it; the flags beside `--network` are about the first.
    fn endpoint(&self, network: &str, first: bool) -> Result<(String, EndpointSettings)> {
        let mut name = network.to_owned();
        let mut endpoint = EndpointSettings::default();
        let mut ipam = EndpointIpamConfig::default();
        let mut aliases = Vec::new();
        if first {
            aliases.extend(self.network_alias.iter().cloned());
            ipam.ipv4_address = self.ip.clone();
            ipam.ipv6_address = self.ip6.clone();
            ipam.link_local_ips = some(&self.link_local_ip);
            endpoint.mac_address = self.mac_address.clone();
        }
        if network.contains('=') {
            name.clear();
            for field in csv(network).map_err(CliError::Invalid)? {
                let (key, value) = field.split_once('=').unwrap_or((&field, ""));
                let value = value.to_owned();
                match key {
                    "name" => name = value,
                    "alias" => aliases.push(value),
                    "ip" => ipam.ipv4_address = Some(value),
                    "ip6" => ipam.ipv6_address = Some(value),
                    "link-local-ip" => ipam.link_local_ips.get_or_insert_default().push(value),
                    "mac-address" => endpoint.mac_address = Some(value),
                    "gw-priority" => endpoint.gw_priority = value.parse().ok(),
                    "driver-opt" => {
                        let (option, value) = value.split_once('=').unwrap_or((&value, ""));
                        endpoint
                            .driver_opts
                            .get_or_insert_default()
                            .insert(option.to_owned(), value.to_owned());
                    }
                    other => {
                        return Err(CliError::invalid(format!(
                            "invalid field {other} in --network {network}"
                        )));
                    }
                }
            }
            if name.is_empty() {
                return Err(CliError::invalid(format!(
                    "--network {network} names no network: add name=…"
                )));
            }
        }
        endpoint.aliases = some(&aliases);
        endpoint.ipam_config = (ipam != EndpointIpamConfig::default()).then_some(ipam);
        Ok((name, endpoint))
    }
}
