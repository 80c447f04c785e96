//! What a new engine does with the containers it finds: see ARCHITECTURE.md, "Who outlives whom".
//!
//! Whatever a client was told of is in the store, and the truth about processes is with the shims. Where they differ,
//! the shim is right about what runs, and a run that nobody was told of is ended.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::models::RestartPolicyNameEnum;
use gantry_network::{Attachment, Live, PortBinding};
use gantry_runtime::{ClientError, Exit, ShimClient, rootfs, shim};

use super::supervise::{self, Next};
use super::{
    Container, ContainerId, Phase, Record, dirs, freezer, health, network, remove, start, stop,
};
use crate::error::{Error, Result};
use crate::images;
use crate::state::{Engine, off_reactor};
use crate::volumes::is_live;

/// How long a shim may take to say what it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Loads all records. Nothing is started or ended yet.
pub fn load(engine: &Engine) -> Result<()> {
    for (definition, state) in engine.store.containers()? {
        engine
            .containers
            .take_name(&definition.name, &definition.id)?;
        let record = Record {
            definition: Arc::new(definition),
            state,
            removed: false,
        };
        engine.containers.insert(Arc::new(Container::new(record)));
    }
    Ok(())
}

/// What was found of one container.
enum Found {
    /// It runs.
    Alive,
    /// It ran when the last engine saw it, and has ended.
    Ended(Exit),
    /// It didn't run.
    Quiet,
}

/// Makes the store, the shims, the network and the disk agree.
pub async fn recover(engine: &Arc<Engine>) -> Result<()> {
    let all = engine.containers.all();
    let mut looks = tokio::task::JoinSet::new();
    for container in all {
        let engine = Arc::clone(engine);
        looks.spawn(async move {
            let found = tokio::time::timeout(PATIENCE, look(&engine, &container)).await;
            let found = found
                .unwrap_or_else(|_| Err(Error::Unavailable("its shim doesn't answer".to_owned())));
            (container, found)
        });
    }
    let mut found = Vec::new();
    while let Some(look) = looks.join_next().await {
        match look {
            Ok((container, Ok(state))) => found.push((container, state)),
            Ok((container, Err(error))) => {
                tracing::error!(container.id = %container.id(), %error, "can't learn what became of a container");
                // No descriptor left, a shim that hangs: what ran counts as running, keeps its network, and is watched
                // until more is known. What didn't run is left alone.
                if container.with(|record| record.state.phase.is_alive()) {
                    found.push((container, Found::Alive));
                }
            }
            Err(failure) => tracing::error!(%failure, "looking for a container failed"),
        }
    }
    let live: Vec<Live> = found
        .iter()
        .filter(|(_, state)| matches!(state, Found::Alive))
        .filter_map(|(container, _)| live(&container.record()))
        .collect();
    let report = engine.network.reconcile(&live).await;
    for (id, error) in &report.damaged {
        tracing::error!(container.id = %id, %error, "a running container lost a part of its network; restart it");
    }
    for error in &report.failures.0 {
        tracing::warn!(%error, "an earlier engine's network wasn't cleared away completely");
    }
    sweep(engine).await?;
    unmount(engine, &found).await?;
    for (container, state) in found {
        take_up(engine, container, state).await;
    }
    images::forget_unused(engine);
    Ok(())
}

/// Unmounts what containers that don't run have mounted: a start was cut.
async fn unmount(engine: &Arc<Engine>, found: &[(Arc<Container>, Found)]) -> Result<()> {
    let quiet: HashSet<ContainerId> = found
        .iter()
        .filter(|(_, state)| matches!(state, Found::Quiet))
        .map(|(container, _)| container.id())
        .collect();
    let engine = Arc::clone(engine);
    off_reactor(move || {
        for root in [&engine.config.data_root, &engine.config.exec_root] {
            let containers = root.join("containers");
            let is_quiet = |path: &Path| {
                let mut below = path.strip_prefix(&containers).ok()?.components();
                let name = below.next()?.as_os_str().to_str()?;
                Some(quiet.contains(&name.parse().ok()?))
            };
            for error in rootfs::unmount_below(&containers, |path| is_quiet(path) != Some(true)) {
                tracing::warn!(%error, "a root wasn't unmounted");
            }
        }
        for volume in engine.volumes.list() {
            let used = || is_live(&engine.containers, &volume.name, None);
            if let Err(error) = engine.volumes.unmount(&volume.name, used) {
                tracing::warn!(volume = %volume.name, %error, "a volume wasn't unmounted");
            }
        }
    })
    .await
}

async fn look(engine: &Engine, container: &Container) -> Result<Found> {
    let record = container.record();
    let folders = dirs::of(&engine.config, record.id());
    let client = ShimClient::new(folders.clone());
    let was_alive = record.state.phase.is_alive();
    match client.state().await {
        Ok(shim) => {
            let same = record.state.started_at == Some(shim.started_at)
                || record.state.pid == i32::try_from(shim.pid).ok();
            if !was_alive || !same {
                // A start that was cut: nobody was told that it runs, and its ports and address are unknown.
                tracing::info!(container.id = %record.id(), "ending a start that was cut");
                stop::end_process(&client).await?;
                return Ok(if was_alive {
                    Found::Ended(
                        shim::reap_orphan(&folders)
                            .await
                            .map_err(crate::error::Error::io("reap"))?,
                    )
                } else {
                    Found::Quiet
                });
            }
            agree_on_pause(engine, container).await?;
            Ok(Found::Alive)
        }
        Err(ClientError::Gone | ClientError::NotRunning) => {
            let left = folders.state.exists();
            if !was_alive && !left {
                return Ok(Found::Quiet);
            }
            let exit = shim::reap_orphan(&folders)
                .await
                .map_err(crate::error::Error::io(format!(
                    "can't take the end of container {}",
                    record.id()
                )))?;
            Ok(if was_alive {
                Found::Ended(exit)
            } else {
                Found::Quiet
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// A crash between the freezer and the store leaves them apart: the freezer is right.
async fn agree_on_pause(engine: &Engine, container: &Container) -> Result<()> {
    let turn = container.turn().await;
    let mut record = container.record();
    let group = freezer::cgroup(engine, &record);
    let frozen = off_reactor(move || group.is_frozen())
        .await?
        .unwrap_or(false);
    let phase = if frozen {
        Phase::Paused
    } else {
        Phase::Running
    };
    if record.state.phase != phase {
        record.state.phase = phase;
        start::save(engine, &record).await?;
        container.set(&turn, record);
    }
    Ok(())
}

/// What the network is told of a living container; `None` where it has no part in it.
fn live(record: &Record) -> Option<Live> {
    let id = network::endpoint_id(record.id()).ok()?;
    match network::Mode::of(&record.definition) {
        network::Mode::None => Some(Live {
            id,
            attachment: None,
        }),
        network::Mode::Host | network::Mode::Container(_) => None,
        network::Mode::Bridge => {
            let endpoint = record.state.endpoint.as_ref()?;
            let IpAddr::V4(ip) = endpoint.ip else {
                return None;
            };
            let ports = record.state.ports.iter().filter_map(|port| {
                Some(PortBinding {
                    container_port: port.container_port,
                    protocol: port.protocol.parse().ok()?,
                    host_ip: port.host_ip,
                    host_port: port.host_port,
                })
            });
            Some(Live {
                id,
                attachment: Some(Attachment {
                    ip,
                    mac: endpoint.mac.parse().ok()?,
                    ports: ports.collect(),
                    pid: record.state.pid?,
                }),
            })
        }
    }
}

/// Removes the folders, mounts and processes of containers that aren't in the store.
async fn sweep(engine: &Arc<Engine>) -> Result<()> {
    let mut known = HashSet::new();
    for container in engine.containers.all() {
        known.insert(container.id());
    }
    let mut strangers: HashSet<ContainerId> = HashSet::new();
    for root in [&engine.config.data_root, &engine.config.exec_root] {
        strangers.extend(
            folders(&root.join("containers"))
                .into_iter()
                .filter(|id| !known.contains(id)),
        );
    }
    for id in strangers {
        tracing::info!(container.id = %id, "removing what a removed container left");
        let folders = dirs::of(&engine.config, &id);
        let client = ShimClient::new(folders.clone());
        if let Err(error) = stop::end_process(&client).await {
            tracing::warn!(container.id = %id, %error, "its process couldn't be ended");
        }
        if folders.state.exists()
            && let Err(error) = shim::reap_orphan(&folders).await
        {
            tracing::warn!(container.id = %id, %error, "its process couldn't be ended");
        }
        if let Err(error) = off_reactor(move || dirs::remove(&folders)).await? {
            tracing::warn!(container.id = %id, %error, "its folders couldn't be removed");
        }
    }
    Ok(())
}

fn folders(path: &Path) -> Vec<ContainerId> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

async fn take_up(engine: &Arc<Engine>, container: Arc<Container>, found: Found) {
    let record = container.record();
    let policy = record
        .definition
        .host
        .restart_policy
        .as_ref()
        .and_then(|policy| policy.name);
    match found {
        Found::Alive => {
            supervise::watch(engine, &container);
            health::begin(engine, &container);
        }
        Found::Ended(exit) => {
            if supervise::ended(engine, &container, exit).await == Next::Restart {
                let engine = Arc::clone(engine);
                tokio::spawn(async move { supervise::restart_now(&engine, &container).await });
            }
        }
        Found::Quiet => {
            let has_run = record.state.started_at.is_some();
            // `always` means at the engine's start too, even after a person stopped it; that is what makes it differ
            // from `unless-stopped`. Either may have ended for good because a start failed: now is the time to try again.
            let wanted = match policy {
                Some(RestartPolicyNameEnum::ALWAYS) => has_run,
                Some(RestartPolicyNameEnum::UNLESS_STOPPED) => {
                    has_run && !record.state.stopped_by_hand
                }
                _ => false,
            };
            let again = wanted || record.state.phase == Phase::Restarting;
            if again {
                let engine = Arc::clone(engine);
                tokio::spawn(async move {
                    let turn = container.turn().await;
                    let by = match container.with(|record| record.state.phase) {
                        Phase::Restarting => start::By::Policy,
                        Phase::Exited => start::By::Engine,
                        _ => return,
                    };
                    if let Err(error) = start::start_in_turn(&engine, &container, &turn, by).await {
                        tracing::warn!(container.id = %container.id(), %error, "a restart failed");
                    }
                });
            } else if has_run && record.definition.host.auto_remove == Some(true) {
                let removed = remove::remove(
                    engine,
                    &container,
                    remove::Remove {
                        force: false,
                        volumes: true,
                    },
                )
                .await;
                if let Err(error) = removed {
                    tracing::warn!(container.id = %record.id(), %error, "an ended container wasn't removed");
                }
            }
        }
    }
}
