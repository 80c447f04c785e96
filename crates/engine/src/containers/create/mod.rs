//! `POST /containers/create`: everything is checked here, so that what we can't honour is an error now and never a
//! silence later.

mod config;
mod host;
mod mounts;
mod resources;
mod security;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gantry_api::models::{ContainerConfig, ContainerCreateBody, EndpointSettings, HostConfig};
use rusqlite::Transaction;
use time::OffsetDateTime;

pub use mounts::tmpfs_options;
pub use resources::{check as check_resources, to_runtime as runtime_resources};
pub use security::parse as parse_security;

use super::network::{self, Mode};
use super::{Container, ContainerId, Definition, Record, RunState, names, notes};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};
use crate::store;

/// What to create.
#[derive(Debug)]
pub struct Create {
    /// The name asked for; a random one when `None`.
    pub name: Option<String>,
    /// The platform asked for, such as `linux/amd64`.
    pub platform: Option<String>,
    /// The rest.
    pub body: ContainerCreateBody,
}

/// A created container.
#[derive(Debug)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Creates a container.
pub async fn create(engine: &Arc<Engine>, command: Create) -> Result<Created> {
    let name = command.name.as_deref().map(names::parse).transpose()?;
    let mut body = command.body;
    let asked = body.image.clone().unwrap_or_default();
    if asked.is_empty() {
        return Err(Error::invalid(
            "no image specified: a container needs an image",
        ));
    }
    let mut host = body.host_config.take().unwrap_or_default();
    let networking = body.networking_config.take().unwrap_or_default();
    let config = config::from_body(body);
    let warnings = host::check(engine, &mut host, &config)?;

    // Held until the record exists, so that nobody removes the image in between.
    let hold = engine.images.hold(&asked).await?;
    check_platform(command.platform.as_deref(), &hold.image)?;
    let shared = Arc::clone(engine);
    let made = off_reactor(move || {
        let asked = Asked {
            name,
            config,
            host,
            endpoints: networking.endpoints_config.unwrap_or_default(),
        };
        let definition = define(&shared, asked, &hold.image)?;
        record(&shared, definition)
    });
    let id = made.await??;
    Ok(Created { id, warnings })
}

/// A create's parts.
struct Asked {
    name: Option<String>,
    config: ContainerConfig,
    host: HostConfig,
    endpoints: HashMap<String, EndpointSettings>,
}

/// Fills in the image's part and all defaults, and checks the whole. Blocks: it looks at files of the host. The name is
/// taken in the end.
fn define(engine: &Engine, asked: Asked, image: &gantry_image::Image) -> Result<Definition> {
    let Asked {
        name,
        mut config,
        mut host,
        endpoints: wanted,
    } = asked;
    config::merge_image(&mut config, image)?;
    config::check(&config)?;
    let (path, args) = config::command(&config)?;

    let id = ContainerId::random();
    if config.hostname.as_deref().unwrap_or_default().is_empty() {
        config.hostname = Some(default_hostname(engine, &host, &id)?);
    }
    let mounts = mounts::resolve(engine, &config, &mut host)?;
    let endpoints = endpoints(wanted, &mut host)?;
    let runtime = engine
        .runtimes
        .get(host.runtime.as_deref())?
        .name()
        .to_owned();
    host.runtime = Some(runtime.clone());
    let mut definition = Definition {
        id,
        name: String::new(),
        created: OffsetDateTime::now_utc(),
        image_id: image.id.to_string(),
        config,
        host,
        path,
        args,
        mounts,
        endpoints,
        runtime,
    };
    // Ports, addresses: what start will ask for must be understood now.
    network::port_requests(&definition)?;
    network::want(&definition)?;
    super::spec::check(engine, &definition)?;
    definition.name = take_name(engine, name, &definition.id)?;
    Ok(definition)
}

/// Writes the container down with its volumes, in one transaction: a crash before it leaves nothing that counts, and one
/// after it nothing that isn't the container's. Blocks.
fn record(engine: &Engine, mut definition: Definition) -> Result<ContainerId> {
    let dirs = super::dirs::of(&engine.config, &definition.id);
    let state = RunState::default();
    let recorded = mounts::volumes_of(&engine.volumes, &mut definition)
        .and_then(|volumes| {
            super::dirs::make(&dirs.data)?;
            Ok(volumes)
        })
        .and_then(|volumes| {
            let row = |transaction: &Transaction<'_>| {
                store::containers::insert(transaction, &definition, &state)
            };
            if volumes.is_empty() {
                engine.store.write_now(row)?;
                return Ok(Vec::new());
            }
            Ok(engine.volumes.create_all(&volumes, row)?)
        });
    // Held until the container is seen to use them.
    let _holds = match recorded {
        Ok(holds) => holds,
        Err(error) => {
            let _ = super::dirs::remove(&dirs);
            engine
                .containers
                .free_name(&definition.name, &definition.id);
            return Err(error);
        }
    };
    let record = Record {
        definition: Arc::new(definition),
        state,
        removed: false,
    };
    let id = record.id().clone();
    // Whoever hears of it can look it up.
    engine
        .containers
        .insert(Arc::new(Container::new(record.clone())));
    notes::publish(engine, &record, "create", &[]);
    Ok(id)
}

fn take_name(engine: &Engine, asked: Option<String>, id: &ContainerId) -> Result<String> {
    if let Some(name) = asked {
        engine.containers.take_name(&name, id)?;
        return Ok(name);
    }
    let mut tries = 0;
    loop {
        let name = names::random(tries);
        match engine.containers.take_name(&name, id) {
            Ok(()) => return Ok(name),
            Err(error) if tries > 1000 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn default_hostname(engine: &Engine, host: &HostConfig, id: &ContainerId) -> Result<String> {
    match Mode::parse(host.network_mode.as_deref().unwrap_or_default())? {
        Mode::Host => Ok(rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned()),
        Mode::Container(other) => {
            let other = engine
                .containers
                .find(&other)
                .map_err(|error| Error::invalid(error.to_string()))?
                .record();
            Ok(other.definition.config.hostname.clone().unwrap_or_default())
        }
        Mode::Bridge | Mode::None => Ok(id.short().to_owned()),
    }
}

fn check_platform(asked: Option<&str>, image: &gantry_image::Image) -> Result<()> {
    let Some(text) = asked.filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let asked: gantry_image::Platform = text
        .parse()
        .map_err(|error: gantry_image::InvalidPlatform| Error::invalid(error.to_string()))?;
    if asked.accepts(&image.platform()) {
        return Ok(());
    }
    let name = image
        .repo_tags
        .first()
        .map_or_else(|| image.id.to_string(), gantry_image::Reference::familiar);
    Err(Error::not_found(format!(
        "image with reference {name} was found but does not provide the specified platform ({asked})"
    )))
}

/// What was asked of the networks. There is one network a container can join, so every entry must be it.
fn endpoints(
    asked: HashMap<String, EndpointSettings>,
    host: &mut HostConfig,
) -> Result<BTreeMap<String, EndpointSettings>> {
    let mode = Mode::parse(host.network_mode.as_deref().unwrap_or_default())?;
    let mut endpoints = BTreeMap::new();
    for (name, mut settings) in asked {
        let same = match mode.network() {
            Some(network) => name == network || (name == "default" && network == "bridge"),
            None => false,
        };
        if !same {
            return Err(match Mode::parse(&name) {
                Ok(_) => Error::invalid(format!(
                    "conflicting options: a container in network mode `{}` can't also join network `{name}`",
                    host.network_mode.as_deref().unwrap_or_default()
                )),
                Err(missing) => missing,
            });
        }
        for (what, given) in [
            (
                "links",
                settings
                    .links
                    .as_ref()
                    .is_some_and(|links| !links.is_empty()),
            ),
            (
                "driver options",
                settings
                    .driver_opts
                    .as_ref()
                    .is_some_and(|options| !options.is_empty()),
            ),
        ] {
            if given {
                return Err(Error::unsupported(format!(
                    "{what} of a network endpoint are not supported"
                )));
            }
        }
        if let Some(ipam) = &settings.ipam_config {
            let is_given =
                |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
            if is_given(&ipam.ipv6_address) {
                return Err(Error::unsupported(
                    "a fixed IPv6 address is not supported: the default network is IPv4 only",
                ));
            }
            if ipam
                .link_local_ips
                .as_ref()
                .is_some_and(|ips| !ips.is_empty())
            {
                return Err(Error::unsupported("link-local addresses are not supported"));
            }
            if is_given(&ipam.ipv4_address) && mode != Mode::Bridge {
                return Err(Error::invalid(
                    "a fixed address needs a network that gives addresses",
                ));
            }
        }
        let is_given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if is_given(&settings.mac_address) && mode != Mode::Bridge {
            return Err(Error::invalid(
                "conflicting options: mac-address and the network mode",
            ));
        }
        // Results, not wishes: a client may send back what an inspect told it.
        settings.network_id = None;
        settings.endpoint_id = None;
        settings.gateway = None;
        settings.ip_address = None;
        endpoints.insert(mode.network().unwrap_or_default().to_owned(), settings);
    }
    Ok(endpoints)
}
