//! The files the engine gives each container: `hostname`, `hosts`, `resolv.conf`.
//!
//! They lie in the container's data folder, which no container can write to from outside, and are bind-mounted. They
//! are made anew at each start, since the address may be another; a crash loses nothing by it.

use std::path::PathBuf;

use gantry_network::{
    DnsOptions, ExtraHost, HostAddress, Namespace, hosts_file, hosts_file_of_host, resolv_conf,
};

use super::network::Mode;
use super::{EndpointState, Record};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Longest file of the host's that is taken over, in bytes.
const LONGEST: u64 = 1 << 20;

/// By this name containers of a machine find the machine's host, unless they say otherwise.
const HOST: &str = "host.docker.internal";

/// Their names and their places in the container.
pub const FILES: [(&str, &str); 3] = [
    ("hostname", "/etc/hostname"),
    ("hosts", "/etc/hosts"),
    ("resolv.conf", "/etc/resolv.conf"),
];

/// Writes them and returns where they are, each with its place in the container.
pub fn write(
    engine: &Engine,
    record: &Record,
    mode: &Mode,
    endpoint: Option<&EndpointState>,
) -> Result<Vec<(PathBuf, &'static str)>> {
    let definition = &record.definition;
    if let Mode::Container(other) = mode {
        // One network has one set of names: the other's own files, as with Docker.
        let other = engine.containers.find(other)?.id();
        let dir = engine.config.container_dir(other.as_str());
        let there = FILES.iter().map(|(name, place)| (dir.join(name), *place));
        return Ok(there.filter(|(path, _)| path.is_file()).collect());
    }
    let dir = engine.config.container_dir(definition.id.as_str());
    let hostname = definition.config.hostname.clone().unwrap_or_default();
    let domainname = definition.config.domainname.clone().unwrap_or_default();
    let mut extra: Vec<ExtraHost> = definition
        .host
        .extra_hosts
        .iter()
        .flatten()
        .map(|text| {
            text.parse()
                .map_err(|error: gantry_network::ParseHostError| Error::invalid(error.to_string()))
        })
        .collect::<Result<_>>()?;
    if engine.shares.is_some() && *mode != Mode::None && !names(&extra, HOST) {
        extra.push(ExtraHost {
            name: HOST.to_owned(),
            address: HostAddress::Gateway,
        });
    }
    let gateway = Some(engine.host_gateway());
    let is_host = matches!(mode, Mode::Host);
    let hosts = if is_host {
        hosts_file_of_host(&read("/etc/hosts"), &extra, gateway)
    } else {
        hosts_file(
            endpoint.map(|endpoint| endpoint.ip),
            &hostname,
            &domainname,
            &extra,
            gateway,
        )
    };
    let list = |given: &Option<Vec<String>>| given.clone().unwrap_or_default();
    let dns = DnsOptions {
        servers: list(&definition.host.dns)
            .iter()
            .filter_map(|server| server.parse().ok())
            .collect(),
        search: list(&definition.host.dns_search),
        options: list(&definition.host.dns_options),
    };
    let namespace = if is_host {
        Namespace::Host
    } else {
        Namespace::Own
    };
    let resolv = resolv_conf(&dns, namespace);
    let texts = [format!("{hostname}\n"), hosts, resolv];
    let mut written = Vec::with_capacity(FILES.len());
    for ((name, place), text) in FILES.into_iter().zip(texts) {
        let path = dir.join(name);
        std::fs::write(&path, text)
            .map_err(Error::io(format!("can't write {}", path.display())))?;
        written.push((path, place));
    }
    Ok(written)
}

fn names(hosts: &[ExtraHost], name: &str) -> bool {
    hosts.iter().any(|host| host.name == name)
}

fn read(path: &str) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    if read.is_ok() { text } else { String::new() }
}
