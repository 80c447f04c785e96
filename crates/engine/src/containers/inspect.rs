//! `docker inspect`: all that is known, in Docker's shape.

use std::collections::HashMap;
use std::sync::Arc;

use gantry_api::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    DriverData, EndpointSettings, HealthStatusEnum, HealthcheckResult, MountPoint, NetworkSettings,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::list::sizes;
use super::network::{self, Mode};
use super::{Container, MountKind, Phase, Record, dirs};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Docker's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The whole of it as JSON.
pub async fn inspect(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    size: bool,
) -> Result<Value> {
    let record = container.record();
    let mut response = response(engine, &record);
    // Only a hint for the overlay's place on disk: an image that is gone leaves it out.
    let layers = super::start::layers(engine, &record)
        .await
        .unwrap_or_default();
    let data = dirs::of(&engine.config, record.id()).data;
    let path = |name: &str| data.join(name).display().to_string();
    let lower: Vec<String> = layers
        .iter()
        .rev()
        .map(|layer| layer.display().to_string())
        .collect();
    response.graph_driver = Some(DriverData {
        name: "overlay2".to_owned(),
        data: HashMap::from([
            ("ID".to_owned(), record.id().as_str().to_owned()),
            ("LowerDir".to_owned(), lower.join(":")),
            ("MergedDir".to_owned(), path("merged")),
            ("UpperDir".to_owned(), path("upper")),
            ("WorkDir".to_owned(), path("work")),
        ]),
    });
    if size {
        let (own, all) = sizes(engine, &record).await?;
        response.size_rw = Some(own);
        response.size_root_fs = Some(all);
    }
    let mut value =
        serde_json::to_value(&response).map_err(|error| Error::Internal(error.to_string()))?;
    complete(&mut value, &record);
    sort_maps(&mut value);
    Ok(value)
}

/// Where inspect has maps and not objects: in the order of their keys, as Go writes them, and so always in the same.
const MAPS: [&str; 12] = [
    "/GraphDriver/Data",
    "/Config/ExposedPorts",
    "/Config/Labels",
    "/Config/Volumes",
    "/HostConfig/Annotations",
    "/HostConfig/LogConfig/Config",
    "/HostConfig/PortBindings",
    "/HostConfig/StorageOpt",
    "/HostConfig/Sysctls",
    "/HostConfig/Tmpfs",
    "/NetworkSettings/Networks",
    "/NetworkSettings/Ports",
];

fn sort_maps(value: &mut Value) {
    for map in MAPS {
        if let Some(Value::Object(map)) = value.pointer_mut(map) {
            map.sort_keys();
        }
    }
}

fn moment(time: Option<OffsetDateTime>) -> String {
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| NEVER.to_owned())
}

fn response(engine: &Engine, record: &Record) -> ContainerInspectResponse {
    let definition = &record.definition;
    let folders = dirs::of(&engine.config, &definition.id);
    let file = |name: &str| Some(folders.data.join(name).display().to_string());
    let started = record.state.started_at.is_some();
    let kept = |name: &str| {
        if started {
            file(name)
        } else {
            Some(String::new())
        }
    };
    ContainerInspectResponse {
        id: Some(definition.id.as_str().to_owned()),
        created: Some(moment(Some(definition.created))),
        path: Some(definition.path.clone()),
        args: Some(definition.args.clone()),
        state: Some(state(record)),
        image: Some(definition.image_id.clone()),
        resolv_conf_path: kept("resolv.conf"),
        hostname_path: kept("hostname"),
        hosts_path: kept("hosts"),
        log_path: Some(log_path(record, &folders)),
        name: Some(format!("/{}", definition.name)),
        restart_count: Some(i64::from(record.state.restart_count)),
        driver: Some("overlay2".to_owned()),
        platform: Some("linux".to_owned()),
        mount_label: Some(String::new()),
        process_label: Some(String::new()),
        app_armor_profile: Some(String::new()),
        exec_ids: Some(engine.execs.running_in(&definition.id)).filter(|ids| !ids.is_empty()),
        host_config: Some(definition.host.clone()),
        mounts: Some(mounts(record)),
        config: Some(config(&definition.config)),
        network_settings: Some(NetworkSettings {
            sandbox_id: Some(if record.state.endpoint.is_some() {
                definition.id.as_str().to_owned()
            } else {
                String::new()
            }),
            sandbox_key: Some(sandbox_key(engine, record)),
            ports: Some(super::list::port_map(record)),
            networks: Some(networks(engine, record)),
        }),
        ..ContainerInspectResponse::default()
    }
}

fn log_path(record: &Record, folders: &gantry_runtime::Dirs) -> String {
    let driver = record
        .definition
        .host
        .log_config
        .as_ref()
        .and_then(|log| log.typ.as_deref());
    if driver == Some("none") {
        String::new()
    } else {
        dirs::log(folders).display().to_string()
    }
}

fn sandbox_key(engine: &Engine, record: &Record) -> String {
    match (&record.state.endpoint, network::endpoint_id(record.id())) {
        (Some(_), Ok(id)) => engine.network.namespace_path(&id).display().to_string(),
        _ => String::new(),
    }
}

/// Docker shows every field of a config, set or not.
fn config(config: &ContainerConfig) -> ContainerConfig {
    let mut config = config.clone();
    config.hostname.get_or_insert_default();
    config.domainname.get_or_insert_default();
    config.user.get_or_insert_default();
    config.attach_stdin.get_or_insert(false);
    config.attach_stdout.get_or_insert(false);
    config.attach_stderr.get_or_insert(false);
    config.tty.get_or_insert(false);
    config.open_stdin.get_or_insert(false);
    config.stdin_once.get_or_insert(false);
    config.env.get_or_insert_default();
    config.image.get_or_insert_default();
    config.working_dir.get_or_insert_default();
    config.labels.get_or_insert_default();
    config
}

fn state(record: &Record) -> ContainerState {
    let state = &record.state;
    ContainerState {
        status: Some(match state.phase {
            Phase::Created => ContainerStateStatusEnum::CREATED,
            Phase::Running => ContainerStateStatusEnum::RUNNING,
            Phase::Paused => ContainerStateStatusEnum::PAUSED,
            Phase::Restarting => ContainerStateStatusEnum::RESTARTING,
            Phase::Exited => ContainerStateStatusEnum::EXITED,
            Phase::Removing => ContainerStateStatusEnum::REMOVING,
            Phase::Dead => ContainerStateStatusEnum::DEAD,
        }),
        // One that waits for its restart counts as running, as dockerd has it.
        running: Some(state.phase.is_alive() || state.phase == Phase::Restarting),
        paused: Some(state.phase == Phase::Paused),
        restarting: Some(state.phase == Phase::Restarting),
        oom_killed: Some(state.oom_killed),
        dead: Some(state.phase == Phase::Dead),
        pid: Some(i64::from(state.pid.unwrap_or(0))),
        exit_code: Some(i64::from(state.exit_code)),
        error: Some(state.error.clone()),
        started_at: Some(moment(state.started_at)),
        finished_at: Some(moment(state.finished_at)),
        health: state
            .health
            .as_ref()
            .map(|health| gantry_api::models::Health {
                status: Some(match health.status {
                    super::health::Status::Starting => HealthStatusEnum::STARTING,
                    super::health::Status::Healthy => HealthStatusEnum::HEALTHY,
                    super::health::Status::Unhealthy => HealthStatusEnum::UNHEALTHY,
                }),
                failing_streak: Some(i64::from(health.streak)),
                log: Some(
                    health
                        .log
                        .iter()
                        .map(|probe| HealthcheckResult {
                            start: Some(moment(Some(probe.start))),
                            end: Some(moment(Some(probe.end))),
                            exit_code: Some(i64::from(probe.code)),
                            output: Some(probe.output.clone()),
                        })
                        .collect(),
                ),
            }),
    }
}

/// The mounts as the API shows them.
pub fn mounts(record: &Record) -> Vec<MountPoint> {
    record
        .definition
        .mounts
        .iter()
        .map(|mount| MountPoint {
            typ: Some(mount.kind.as_str().to_owned()),
            name: Some(mount.volume.clone()).filter(|name| !name.is_empty()),
            source: Some(mount.source.display().to_string()),
            destination: Some(mount.destination.clone()),
            driver: (mount.kind == MountKind::Volume).then(|| "local".to_owned()),
            mode: Some(mount.mode.clone()),
            rw: Some(!mount.read_only),
            propagation: Some(mount.propagation.clone()),
        })
        .collect()
}

/// The networks a container is on.
pub fn networks(engine: &Engine, record: &Record) -> HashMap<String, EndpointSettings> {
    let definition = &record.definition;
    let Some(name) = Mode::of(definition).network() else {
        return HashMap::new();
    };
    let mut settings = definition.endpoints.get(name).cloned().unwrap_or_default();
    let alive = record.state.phase.is_alive();
    settings.network_id = Some(if alive {
        engine.network_id(name)
    } else {
        String::new()
    });
    settings.endpoint_id = Some(if alive {
        definition.id.as_str().to_owned()
    } else {
        String::new()
    });
    settings.gateway = Some(String::new());
    settings.ip_address = Some(String::new());
    settings.mac_address.get_or_insert_default();
    settings.ip_prefix_len = Some(0);
    settings.ipv6_gateway = Some(String::new());
    settings.global_ipv6_address = Some(String::new());
    settings.global_ipv6_prefix_len = Some(0);
    if let Some(endpoint) = &record.state.endpoint {
        settings.gateway = Some(endpoint.gateway.to_string());
        settings.ip_address = Some(endpoint.ip.to_string());
        settings.ip_prefix_len = Some(i64::from(endpoint.prefix));
        settings.mac_address = Some(endpoint.mac.clone());
    }
    HashMap::from([(name.to_owned(), settings)])
}

/// Adds what Docker's answer has and the specification's newest version has no more, and the nulls that clients of
/// typed languages look for.
fn complete(value: &mut Value, record: &Record) {
    let endpoint = record.state.endpoint.as_ref();
    let text = |value: Option<String>| Value::String(value.unwrap_or_default());
    let legacy = [
        ("Bridge", json!("")),
        ("HairpinMode", json!(false)),
        ("LinkLocalIPv6Address", json!("")),
        ("LinkLocalIPv6PrefixLen", json!(0)),
        ("SecondaryIPAddresses", Value::Null),
        ("SecondaryIPv6Addresses", Value::Null),
        (
            "EndpointID",
            text(endpoint.map(|_| record.id().as_str().to_owned())),
        ),
        (
            "Gateway",
            text(endpoint.map(|endpoint| endpoint.gateway.to_string())),
        ),
        ("GlobalIPv6Address", json!("")),
        ("GlobalIPv6PrefixLen", json!(0)),
        (
            "IPAddress",
            text(endpoint.map(|endpoint| endpoint.ip.to_string())),
        ),
        (
            "IPPrefixLen",
            json!(endpoint.map_or(0, |endpoint| endpoint.prefix)),
        ),
        ("IPv6Gateway", json!("")),
        (
            "MacAddress",
            text(endpoint.map(|endpoint| endpoint.mac.clone())),
        ),
    ];
    add(value.pointer_mut("/NetworkSettings"), legacy);
    let nulls = |names: &'static [&'static str]| names.iter().map(|name| (*name, Value::Null));
    add(
        value.pointer_mut("/Config"),
        nulls(&["Cmd", "Entrypoint", "OnBuild", "Volumes"]),
    );
    add(Some(value), nulls(&["ExecIDs"]));
    add(
        value.pointer_mut("/HostConfig"),
        nulls(&[
            "Binds",
            "VolumesFrom",
            "CapAdd",
            "CapDrop",
            "ExtraHosts",
            "GroupAdd",
            "Links",
            "SecurityOpt",
            "Devices",
            "DeviceCgroupRules",
            "DeviceRequests",
            "Ulimits",
            "BlkioWeightDevice",
            "BlkioDeviceReadBps",
            "BlkioDeviceWriteBps",
            "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
            "MaskedPaths",
            "ReadonlyPaths",
            "MemorySwappiness",
            "OomKillDisable",
            "PidsLimit",
        ]),
    );
    let zeroes = [
        "Memory",
        "MemorySwap",
        "MemoryReservation",
        "NanoCpus",
        "CpuShares",
        "CpuPeriod",
        "CpuQuota",
        "CpuRealtimePeriod",
        "CpuRealtimeRuntime",
        "BlkioWeight",
        "CpuCount",
        "CpuPercent",
        "IOMaximumIOps",
        "IOMaximumBandwidth",
    ];
    add(
        value.pointer_mut("/HostConfig"),
        zeroes.iter().map(|name| (*name, json!(0))),
    );
    add(
        value.pointer_mut("/HostConfig"),
        ["CpusetCpus", "CpusetMems"]
            .iter()
            .map(|name| (*name, json!(""))),
    );
}

/// Adds fields that aren't there.
fn add(object: Option<&mut Value>, fields: impl IntoIterator<Item = (&'static str, Value)>) {
    if let Some(Value::Object(object)) = object {
        for (name, value) in fields {
            object.entry(name).or_insert(value);
        }
    }
}
