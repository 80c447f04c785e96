//! `/_ping`, `/version`, `/info`, `/system/df`, `/auth`.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gantry_api::{ApiVersion, Filters, RegistryAuth};
use http::{StatusCode, header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::params::Params;
use super::{App, answer, body, images, volumes};
use crate::config::BUILTIN_RUNTIME;
use crate::containers::Phase;
use crate::containers::list::{self, List};
use crate::error::{Error, Result};
use crate::images::filter::Wanted;
use crate::state::off_reactor;
use crate::system::machine::{Machine, go_architecture};
use crate::system::{STORAGE_DRIVER, VERSION, identity};
use crate::volumes::users;

/// The routes of this resource.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/_ping", get(ping).head(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/system/df", get(disk_usage))
        .route("/auth", post(login))
        .route("/plugins", get(plugins))
}

/// The version headers are on every answer: see `server`.
async fn ping() -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
            (header::PRAGMA, "no-cache"),
        ],
        "OK",
    )
        .into_response()
}

async fn version() -> Response {
    let machine = Machine::look();
    let (newest, oldest) = (ApiVersion::MAX.to_string(), ApiVersion::MIN.to_string());
    let value = json!({
        "Platform": { "Name": "Gantry" },
        "Components": [{
            "Name": "Engine",
            "Version": VERSION,
            "Details": {
                "ApiVersion": newest,
                "Arch": go_architecture(),
                "Experimental": "false",
                "KernelVersion": machine.kernel,
                "MinAPIVersion": oldest,
                "Os": "linux",
            },
        }],
        "Version": VERSION,
        "ApiVersion": newest,
        "MinAPIVersion": oldest,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": go_architecture(),
        "KernelVersion": machine.kernel,
    });
    answer::json(StatusCode::OK, &value)
}

async fn info(State(app): State<App>) -> Result<Response> {
    let data_root = app.config.data_root.clone();
    let (machine, id) =
        off_reactor(move || (Machine::look(), identity::engine_id(&data_root))).await?;
    let id = id.map_err(Error::io("can't read the engine's id"))?;
    let images = app.images.list().await?.len();
    let parts = [
        counts(&app, images),
        of_machine(&machine),
        of_engine(&app, &id),
    ];
    let fields = parts.into_iter().filter_map(|part| match part {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    let value = Value::Object(fields.flatten().collect());
    Ok(answer::json(StatusCode::OK, &value))
}

fn counts(app: &App, images: usize) -> Value {
    let phases: Vec<Phase> = app
        .containers
        .all()
        .iter()
        .map(|container| container.with(|record| record.state.phase))
        .collect();
    let count = |wanted: &[Phase]| phases.iter().filter(|phase| wanted.contains(phase)).count();
    let (running, paused) = (
        count(&[Phase::Running, Phase::Restarting]),
        count(&[Phase::Paused]),
    );
    json!({
        "Containers": phases.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": phases.len() - running - paused,
        "Images": images,
    })
}

fn of_machine(machine: &Machine) -> Value {
    let mut warnings = Vec::new();
    if !machine.limits_swap {
        warnings.push("WARNING: No swap limit support");
    }
    if !machine.forwards_ipv4 {
        warnings.push("WARNING: IPv4 forwarding is disabled");
    }
    json!({
        "MemoryLimit": true,
        "SwapLimit": machine.limits_swap,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "IPv4Forwarding": machine.forwards_ipv4,
        "OomKillDisable": !machine.cgroup_v2,
        "SystemTime": OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": if machine.cgroup_v2 { "2" } else { "1" },
        "KernelVersion": machine.kernel,
        "OperatingSystem": machine.operating_system,
        "OSVersion": machine.os_version,
        "OSType": "linux",
        "Architecture": machine.architecture,
        "NCPU": machine.processors,
        "MemTotal": machine.memory,
        "Name": machine.name,
        "Warnings": warnings,
    })
}

fn of_engine(app: &App, id: &str) -> Value {
    let config = &app.config;
    let mut runtimes = serde_json::Map::new();
    runtimes.insert(
        BUILTIN_RUNTIME.to_owned(),
        json!({ "path": BUILTIN_RUNTIME }),
    );
    for (name, path) in &config.runtimes {
        runtimes.insert(name.clone(), json!({ "path": path }));
    }
    json!({
        "ID": id,
        "Driver": STORAGE_DRIVER,
        "DriverStatus": [["Layers", "unpacked once per content"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file", "none"],
        },
        "Debug": matches!(config.log_level.as_str(), "debug" | "trace"),
        "NFd": descriptors(),
        "NGoroutines": 0,
        "NEventsListener": 0,
        "LoggingDriver": "json-file",
        "DockerRootDir": config.data_root,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": registries(&config.registry_mirrors, &config.insecure_registries),
        "GenericResources": null,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": VERSION,
        "Runtimes": runtimes,
        "DefaultRuntime": config.default_runtime,
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false,
            "Error": "", "RemoteManagers": null,
        },
        // Containers always outlive the engine.
        "LiveRestoreEnabled": true,
        "Isolation": "",
        "InitBinary": "",
        "ContainerdCommit": { "ID": "" },
        "RuncCommit": { "ID": "" },
        "InitCommit": { "ID": "" },
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "ProductLicense": "",
        "CDISpecDirs": [],
    })
}

/// Open file descriptors of the engine.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn registries(mirrors: &[String], insecure: &[String]) -> Value {
    let (networks, hosts): (Vec<&String>, Vec<&String>) =
        insecure.iter().partition(|registry| registry.contains('/'));
    let mut cidrs = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    cidrs.extend(networks.into_iter().cloned());
    let mut index = serde_json::Map::new();
    index.insert(
        "docker.io".to_owned(),
        json!({ "Name": "docker.io", "Mirrors": mirrors, "Secure": true, "Official": true }),
    );
    for host in hosts {
        index.insert(
            host.clone(),
            json!({ "Name": host, "Mirrors": [], "Secure": false, "Official": false }),
        );
    }
    json!({ "InsecureRegistryCIDRs": cidrs, "IndexConfigs": index, "Mirrors": mirrors })
}

async fn disk_usage(
    State(app): State<App>,
    params: Params,
    version: axum::Extension<ApiVersion>,
) -> Result<Response> {
    let kinds: Vec<&str> = params.all("type").collect();
    for kind in &kinds {
        if !["container", "image", "volume", "build-cache"].contains(kind) {
            return Err(Error::invalid(format!("unknown object type: {kind}")));
        }
    }
    let asked = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let mut value = json!({});
    if asked("image") {
        let used = app.images.usage().await?;
        let shared: HashMap<_, _> = used
            .images
            .iter()
            .map(|image| (image.id, image.shared_size))
            .collect();
        let all = Wanted::new(Filters::default(), &app.images, OffsetDateTime::now_utc()).await?;
        let images: Vec<Value> = app
            .images
            .list()
            .await?
            .iter()
            .map(|image| {
                let containers = crate::images::uses(&app.containers, &image.id).len();
                let shared = shared.get(&image.id).copied().unwrap_or(0);
                images::summary(image, &all, Some(shared), Some(containers), version.0)
            })
            .collect();
        value["LayersSize"] = json!(used.layers_size);
        value["Images"] = json!(images);
    }
    if asked("container") {
        let all = List {
            all: true,
            size: true,
            ..List::default()
        };
        value["Containers"] = json!(list::list(&app, all).await?);
    }
    if asked("volume") {
        let volumes = off_reactor(move || volume_sizes(&app)).await?;
        value["Volumes"] = json!(volumes);
    }
    if asked("build-cache") {
        value["BuildCache"] = json!([]);
        value["BuilderSize"] = json!(0);
    }
    Ok(answer::json(StatusCode::OK, &value))
}

fn volume_sizes(app: &App) -> Vec<Value> {
    app.volumes
        .list()
        .iter()
        .map(|volume| {
            let size = app.volumes.size(volume);
            let users = users(&app.containers, &volume.name).len();
            let mut value = volumes::details(&app.volumes, volume);
            value["UsageData"] = json!({ "Size": size, "RefCount": users });
            value
        })
        .collect()
}

async fn login(State(app): State<App>, body: Body) -> Result<Response> {
    let asked: RegistryAuth = body::json(body).await?;
    let registry = asked.serveraddress.clone();
    let auth = images::auth(asked.resolved())
        .ok_or_else(|| Error::invalid("the login names no account and no token"))?;
    app.images.login(&registry, &auth).await?;
    let answer = json!({ "Status": "Login Succeeded", "IdentityToken": "" });
    Ok(answer::json(StatusCode::OK, &answer))
}

/// There are none.
async fn plugins() -> Response {
    answer::json(StatusCode::OK, &json!([]))
}
