//! `/networks`: the three that every engine has.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::params::Params;
use super::{App, answer};
use crate::containers::network::Mode;
use crate::error::{Error, Result};
use crate::events::Subject;

/// What lists can be filtered by.
const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// The routes of this resource.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(create))
        .route("/networks/prune", post(prune))
        .route("/networks/{name}", get(inspect).delete(remove))
        .route("/networks/{name}/connect", post(connect))
        .route("/networks/{name}/disconnect", post(connect))
}

/// A network's name and driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    name: &'static str,
    driver: &'static str,
}

/// In the order of Docker's list.
const NETWORKS: [Network; 3] = [
    Network {
        name: "bridge",
        driver: "bridge",
    },
    Network {
        name: "host",
        driver: "host",
    },
    Network {
        name: "none",
        driver: "null",
    },
];

async fn list(State(app): State<App>, params: Params) -> Result<Response> {
    let filters = params.filters(FILTERS)?;
    let dangling = filters
        .flag("dangling")
        .map_err(|error| Error::invalid(error.to_string()))?;
    for kind in filters.get("type") {
        if !["builtin", "custom"].contains(&kind.as_str()) {
            return Err(Error::invalid(format!("invalid filter: 'type'='{kind}'")));
        }
    }
    let found: Vec<Value> = NETWORKS
        .iter()
        .filter(|network| {
            let id = app.network_id(network.name);
            // None is ever dangling, custom or labelled.
            dangling != Some(true)
                && !filters.has("label")
                && filters.any("type", |kind| kind == "builtin")
                && filters.any("scope", |scope| scope == "local")
                && filters.any("driver", |driver| driver == network.driver)
                && filters.any("name", |part| network.name.contains(part))
                && filters.any("id", |part| id.starts_with(part))
        })
        .map(|network| details(&app, *network, false))
        .collect();
    Ok(answer::json(StatusCode::OK, &found))
}

async fn inspect(State(app): State<App>, Path(name): Path<String>) -> Result<Response> {
    let network = find(&app, &name)?;
    Ok(answer::json(StatusCode::OK, &details(&app, network, true)))
}

/// By name, id, or the beginning of an id.
fn find(app: &App, query: &str) -> Result<Network> {
    NETWORKS
        .iter()
        .find(|network| network.name == query)
        .or_else(|| {
            let mut found = NETWORKS.iter().filter(|network| {
                !query.is_empty() && app.network_id(network.name).starts_with(query)
            });
            match (found.next(), found.next()) {
                (Some(network), None) => Some(network),
                _ => None,
            }
        })
        .copied()
        .ok_or_else(|| Error::not_found(format!("network {} not found", query.escape_debug())))
}

async fn create() -> Result<Response> {
    Err(Error::unsupported(
        "networks of one's own are not supported yet: containers can use bridge, host and none",
    ))
}

async fn connect(State(app): State<App>, Path(name): Path<String>) -> Result<Response> {
    find(&app, &name)?;
    Err(Error::unsupported(
        "a container's network can't be changed yet: choose it when the container is created",
    ))
}

async fn remove(State(app): State<App>, Path(name): Path<String>) -> Result<Response> {
    let network = find(&app, &name)?;
    Err(Error::Forbidden(format!(
        "{} is a pre-defined network and cannot be removed",
        network.name
    )))
}

async fn prune(State(app): State<App>, params: Params) -> Result<Response> {
    params.filters(&["label", "label!", "until"])?;
    app.events.publish_prune(Subject::Network, 0);
    // The three that there are always stay.
    Ok(answer::json(
        StatusCode::OK,
        &json!({ "NetworksDeleted": Value::Null }),
    ))
}

fn details(app: &App, network: Network, with_containers: bool) -> Value {
    let bridge = network.name == "bridge";
    let subnet = app.network.subnet();
    let addresses = if bridge {
        json!([{ "Subnet": subnet.cidr(), "Gateway": subnet.gateway().to_string() }])
    } else {
        Value::Null
    };
    let options = if bridge {
        json!({
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
            "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
            "com.docker.network.bridge.name": app.network.bridge(),
            "com.docker.network.driver.mtu": app.network.mtu().to_string(),
        })
    } else {
        json!({})
    };
    let containers = if with_containers {
        json!(containers(app, network))
    } else {
        json!({})
    };
    json!({
        "Name": network.name,
        "Id": app.network_id(network.name),
        "Created": created(app),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": addresses },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": options,
        "Labels": {},
    })
}

/// The networks are as old as the data root.
fn created(app: &App) -> String {
    let made = std::fs::metadata(&app.config.data_root)
        .and_then(|found| found.created().or_else(|_| found.modified()));
    let made = made.map_or(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::from);
    made.format(&Rfc3339).unwrap_or_default()
}

/// The containers that are alive on a network, by id.
fn containers(app: &App, network: Network) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for container in app.containers.all() {
        container.with(|record| {
            let on_it = Mode::of(&record.definition).network() == Some(network.name);
            if !on_it || !record.state.phase.is_alive() {
                return;
            }
            let endpoint = record.state.endpoint.as_ref();
            found.insert(
                record.id().as_str().to_owned(),
                json!({
                    "Name": record.name(),
                    "EndpointID": if endpoint.is_some() { record.id().as_str() } else { "" },
                    "MacAddress": endpoint.map_or("", |endpoint| &endpoint.mac),
                    "IPv4Address": endpoint
                        .map(|endpoint| format!("{}/{}", endpoint.ip, endpoint.prefix))
                        .unwrap_or_default(),
                    "IPv6Address": "",
                }),
            );
        });
    }
    found
}
