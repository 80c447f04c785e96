//! `docker rm`.

use std::sync::Arc;

use super::{Container, MountKind, Phase, Turn, dirs, network, notes, stop};
use crate::error::{Error, Result};
use crate::state::Engine;
use crate::store;

/// How to remove.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remove {
    /// A running one is killed.
    pub force: bool,
    /// Its anonymous volumes go too.
    pub volumes: bool,
}

/// Removes a container.
pub async fn remove(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    command: Remove,
) -> Result<()> {
    let record = container.record();
    let is_up = |phase: Phase| phase.is_alive() || phase == Phase::Restarting;
    if is_up(record.state.phase) {
        if !command.force {
            let what = match record.state.phase {
                Phase::Paused => "container is paused and must be unpaused first",
                Phase::Restarting => {
                    "container is restarting: stop the container before removing or force remove"
                }
                _ => "container is running: stop the container before removing or force remove",
            };
            return Err(Error::conflict(format!(
                "cannot remove container \"{}\": {what}",
                record.name()
            )));
        }
        match stop::kill(engine, container, libc::SIGKILL).await {
            Ok(()) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let mut changes = container.watch();
        // Whoever watches it ends this: the kill can't be ignored.
        let _ = changes
            .wait_for(|record| record.removed || !is_up(record.state.phase))
            .await;
    }
    let turn = container.turn().await;
    let record = container.record();
    if record.removed {
        // `--rm` was faster: it is as asked.
        return Ok(());
    }
    if is_up(record.state.phase) {
        return Err(Error::conflict(format!(
            "cannot remove container \"{}\": it was started meanwhile",
            record.name()
        )));
    }
    remove_in_turn(engine, container, &turn, command.volumes).await
}

/// Removes a container that doesn't run, in one's turn.
pub async fn remove_in_turn(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    turn: &Turn<'_>,
    volumes: bool,
) -> Result<()> {
    let mut record = container.record();
    let before = record.state.phase;
    record.state.phase = Phase::Removing;
    container.set(turn, record.clone());

    network::disconnect(engine, &record).await;
    // The row goes first: folders without a row are removed at the next start, a row without folders could not start.
    let id = record.id().clone();
    if let Err(error) = engine
        .store
        .write(move |transaction| store::containers::delete(transaction, &id))
        .await
    {
        record.state.phase = before;
        container.set(turn, record);
        return Err(error.into());
    }
    let folders = dirs::of(&engine.config, record.id());
    let removed = tokio::task::spawn_blocking(move || dirs::remove(&folders)).await;
    match removed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(container.id = %record.id(), %error, "what a removed container left goes at the next start");
        }
        Err(_) => {
            tracing::warn!(container.id = %record.id(), "removing a container's folders failed")
        }
    }
    engine.containers.remove(record.id());
    engine.execs.forget_of(record.id());
    record.removed = true;
    container.set(turn, record.clone());
    notes::publish(engine, &record, "destroy", &[]);

    if volumes {
        for mount in record
            .definition
            .mounts
            .iter()
            .filter(|mount| mount.kind == MountKind::Volume && mount.anonymous)
        {
            let users = |name: &crate::volumes::VolumeName| {
                engine.containers.users_of_volume(name.as_str())
            };
            if let Err(error) = engine.volumes.remove(&mount.volume, true, users) {
                tracing::warn!(volume = mount.volume, %error, "an anonymous volume stays");
            }
        }
    }
    if let Err(error) = engine.reserve.keep() {
        tracing::debug!(%error, "the disk reserve wasn't taken");
    }
    Ok(())
}
