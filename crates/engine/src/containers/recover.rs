//! What a new engine does with the containers it finds: see ARCHITECTURE.md, "Who outlives whom".
//!
//! Whatever a client was told of is in the store, and the truth about processes is with the shims. Where they differ,
//! the shim is right about what runs, and a run that nobody was told of is ended.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use gantry_network::{Attachment, Live, PortBinding};
use gantry_runtime::{ClientError, Exit, ShimClient, rootfs, shim};

use super::supervise::{self, Next};
use super::{Container, ContainerId, Phase, Record, dirs, freezer, health, network, remove, start};
use crate::error::Result;
use crate::state::{Engine, off_reactor};

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
            let found = look(&engine, &container).await;
            (container, found)
        });
    }
    let mut found = Vec::new();
    while let Some(look) = looks.join_next().await {
        match look {
            Ok((container, Ok(state))) => found.push((container, state)),
            Ok((container, Err(error))) => {
                tracing::error!(container.id = %container.id(), %error, "can't learn what became of a container");
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
    tracing::debug!(?report, "the network agrees");
    sweep(engine).await?;
    for (container, state) in found {
        take_up(engine, container, state).await;
    }
    Ok(())
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
                end_unknown(&client).await?;
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

async fn end_unknown(client: &ShimClient) -> Result<()> {
    match client.kill(libc::SIGKILL).await {
        Ok(()) | Err(ClientError::Gone | ClientError::NotRunning) => {}
        Err(error) => return Err(error.into()),
    }
    match client.exited().await {
        Ok(_) | Err(ClientError::Gone) => Ok(()),
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
        if let Err(error) = end_unknown(&client).await {
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
            let folders = dirs::of(&engine.config, record.id());
            let unmounted = off_reactor(move || {
                let mut failures = rootfs::unmount_below(&folders.data, |_| false);
                failures.extend(rootfs::unmount_below(&folders.state, |_| false));
                failures
            });
            for error in unmounted.await.unwrap_or_default() {
                tracing::warn!(container.id = %record.id(), %error, "a root wasn't unmounted");
            }
            let has_run = record.state.started_at.is_some();
            // `always` means at the engine's start too, even after a person stopped it; that is what makes it differ
            // from `unless-stopped`.
            let again = record.state.phase == Phase::Restarting
                || (has_run && policy == Some(gantry_api::models::RestartPolicyNameEnum::ALWAYS));
            if again {
                let engine = Arc::clone(engine);
                tokio::spawn(async move {
                    let turn = container.turn().await;
                    let phase = container.with(|record| record.state.phase);
                    if !matches!(phase, Phase::Restarting | Phase::Exited) {
                        return;
                    }
                    if let Err(error) =
                        start::start_in_turn(&engine, &container, &turn, start::By::Policy).await
                    {
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
