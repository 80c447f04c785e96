//! Starting: mount what it needs, join the network, hand over to a shim.
//!
//! What a step made is taken back when a later one fails; what a crash leaves is taken back at the next start of the
//! engine. One commit, when the process runs.

use std::path::PathBuf;
use std::sync::Arc;

use gantry_runtime::shim;
use gantry_runtime::{ShimClient, StartError, StartRequest};
use time::OffsetDateTime;

use super::disk::{self, Mounted};
use super::network::{self, Connected, Mode};
use super::{
    Container, Phase, Record, RunState, Turn, dirs, files, health, notes, spec, stop, supervise,
};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};
use crate::store;
use crate::volumes::VolumeHold;

/// Who starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person: restart counts begin anew.
    Hand,
    /// Its restart policy, after it ended.
    Policy,
    /// The engine's start, as its restart policy wants: no end of its own is counted.
    Engine,
}

/// Starts a container that doesn't run.
pub async fn start(engine: &Arc<Engine>, container: &Arc<Container>) -> Result<()> {
    let turn = container.turn().await;
    let record = container.record();
    match record.state.phase {
        _ if record.removed => {
            return Err(Error::not_found(format!(
                "No such container: {}",
                record.id()
            )));
        }
        Phase::Running => {
            return Err(Error::NotModified(
                "container is running already".to_owned(),
            ));
        }
        Phase::Paused => {
            return Err(Error::conflict(
                "cannot start a paused container, try unpause instead",
            ));
        }
        Phase::Removing | Phase::Dead => {
            return Err(Error::conflict(
                "container is marked for removal and cannot be started",
            ));
        }
        Phase::Created | Phase::Exited | Phase::Restarting => {}
    }
    let started = start_in_turn(engine, container, &turn, By::Hand).await;
    drop(turn);
    if started.is_err() && record.definition.host.auto_remove == Some(true) {
        let command = super::remove::Remove {
            force: true,
            volumes: true,
        };
        if let Err(error) = super::remove::remove(engine, container, command).await {
            tracing::warn!(container.id = %record.id(), %error, "a container that didn't start wasn't removed");
        }
    }
    started
}

/// Starts it, in one's turn. A failure is recorded in its state.
pub async fn start_in_turn(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    turn: &Turn<'_>,
    by: By,
) -> Result<()> {
    let mut record = container.record();
    let result = launch(engine, container, &record).await;
    match result {
        // The volumes are held until everybody can see that it runs.
        Ok((running, _holds)) => {
            record.state = RunState {
                phase: Phase::Running,
                restart_count: match by {
                    By::Hand => 0,
                    By::Policy => record.state.restart_count.saturating_add(1),
                    By::Engine => record.state.restart_count,
                },
                exits: record.state.exits,
                ..running
            };
            let saved = save(engine, &record).await;
            if let Err(error) = &saved {
                // It runs and its shim knows; the next start of the engine will find it so.
                tracing::error!(container.id = %record.id(), %error, "a start couldn't be recorded");
            }
            if by == By::Hand {
                container.backoff_reset();
            }
            container.set(turn, record.clone());
            if let Some(network) = Mode::of(&record.definition).network() {
                notes::publish_network(engine, &record, "connect", network);
            }
            notes::publish_mounts(engine, &record);
            notes::publish(engine, &record, "start", &[]);
            supervise::watch(engine, container);
            health::begin(engine, container);
            saved
        }
        Err(error) => {
            undo(engine, &record).await;
            record.state.error = error.to_string();
            record.state.exit_code = match &error {
                Error::Start { code, .. } => *code,
                _ => 128,
            };
            record.state.finished_at = record
                .state
                .finished_at
                .or(Some(OffsetDateTime::now_utc()).filter(|_| by != By::Hand));
            if record.state.phase == Phase::Restarting {
                record.state.phase = Phase::Exited;
            }
            if let Err(error) = save(engine, &record).await {
                tracing::warn!(container.id = %record.id(), %error, "a failed start couldn't be recorded");
            }
            container.set(turn, record.clone());
            Err(error)
        }
    }
}

async fn launch(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    record: &Record,
) -> Result<(RunState, Vec<VolumeHold>)> {
    let hierarchies = engine.hierarchies.clone();
    tokio::task::spawn_blocking(move || hierarchies.ready_moves());
    let mode = Mode::of(&record.definition);
    let layers = layers(engine, record).await?;
    let mounted = {
        let (engine, record) = (Arc::clone(engine), record.clone());
        off_reactor(move || disk::mount(&engine, &record, &layers))
    };
    let (mounted, connected) = tokio::join!(mounted, network::connect(engine, record, &mode));
    let Mounted {
        rootfs,
        definition,
        holds,
    } = mounted??;
    let connected = connected?;

    let files = {
        let (engine, record, mode, endpoint) = (
            Arc::clone(engine),
            record.clone(),
            mode.clone(),
            connected.endpoint.clone(),
        );
        off_reactor(move || files::write(&engine, &record, &mode, endpoint.as_ref())).await??
    };
    let Connected {
        namespace,
        endpoint,
        ports,
    } = connected;
    let spec = spec::build(engine, &definition, rootfs, namespace, files)?;
    let waiting = container.take_waiting();
    let (log_driver, log_options) = log_config(record);
    let request = StartRequest {
        dirs: dirs::of(&engine.config, record.id()),
        spec,
        runtime: engine.runtimes.get(Some(&record.definition.runtime))?,
        log: gantry_runtime::log::Config::parse(&log_driver, &log_options)
            .map_err(|error| Error::invalid(error.to_string()))?,
        attach: waiting.iter().map(|waiting| waiting.options).collect(),
    };
    let started = shim::start(&engine.host, request).await?;
    for (waiting, stream) in waiting.into_iter().zip(started.attached) {
        // A client that left meanwhile drops its stream here.
        let _ = waiting.stream.send(stream);
    }
    let pid = match follow(engine, record, started.pid, !ports.is_empty()).await {
        Ok(pid) => pid,
        Err(error) => {
            let client = ShimClient::new(dirs::of(&engine.config, record.id()));
            if let Err(error) = stop::end_process(&client).await {
                tracing::error!(container.id = %record.id(), %error, "a process whose start failed lives on");
            }
            return Err(error);
        }
    };
    let state = RunState {
        pid: Some(pid),
        started_at: Some(started.started_at),
        endpoint,
        ports,
        finished_at: record.state.finished_at,
        ..RunState::default()
    };
    Ok((state, holds))
}

/// What is left to do when the process runs: whoever serves its ports is told whose they are.
async fn follow(engine: &Engine, record: &Record, pid: u32, publishes: bool) -> Result<i32> {
    let pid = i32::try_from(pid)
        .map_err(|_| Error::Internal("the shim gave no process id".to_owned()))?;
    if publishes {
        let id = network::endpoint_id(record.id())?;
        engine.network.follow(&id, pid).await?;
    }
    Ok(pid)
}

fn log_config(record: &Record) -> (String, std::collections::HashMap<String, String>) {
    let log = record
        .definition
        .host
        .log_config
        .clone()
        .unwrap_or_default();
    (log.typ.unwrap_or_default(), log.config.unwrap_or_default())
}

/// The unpacked layers of a container's image, lowest first.
pub async fn layers(engine: &Engine, record: &Record) -> Result<Vec<PathBuf>> {
    let image = engine.images.get(&record.definition.image_id).await?;
    Ok(image
        .layers
        .iter()
        .map(|layer| layer.path.clone())
        .collect())
}

/// Takes back what a start made, or what a run left.
pub async fn undo(engine: &Arc<Engine>, record: &Record) {
    let (shared, copy) = (Arc::clone(engine), record.clone());
    let unmount = off_reactor(move || disk::unmount(&shared, &copy));
    let (unmounted, ()) = tokio::join!(unmount, network::disconnect(engine, record));
    if let Err(error) = unmounted {
        tracing::error!(container.id = %record.id(), %error, "the root wasn't unmounted");
    }
}

/// Writes what became of a container.
pub async fn save(engine: &Engine, record: &Record) -> Result<()> {
    let (id, state) = (record.id().clone(), record.state.clone());
    Ok(engine
        .store
        .write(move |transaction| store::containers::set_state(transaction, &id, &state))
        .await?)
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Error {
        match error {
            StartError::Spec(error) => Error::invalid(error.to_string()),
            error => Error::Start {
                code: error.exit_code(),
                message: error.to_string(),
            },
        }
    }
}
