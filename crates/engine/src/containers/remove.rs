//! `docker rm`.

use std::sync::Arc;

use rusqlite::Transaction;

use super::{Container, MountKind, Phase, Record, Turn, dirs, network, notes, stop};
use crate::archive::place::remove_tree;
use crate::error::{Error, Result};
use crate::images;
use crate::state::{Engine, off_reactor};
use crate::store;
use crate::volumes::{VolumeName, users};

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
        // Whoever watches it ends this: the kill can't be ignored, though the kernel may be long about it.
        let ended = changes.wait_for(|record| record.removed || !is_up(record.state.phase));
        if tokio::time::timeout(stop::KILLED, ended).await.is_err() {
            return Err(Error::Internal(format!(
                "cannot remove container \"{}\": could not kill container",
                record.name()
            )));
        }
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
    let (shared, copy) = (Arc::clone(engine), record.clone());
    let forgotten = off_reactor(move || forget(&shared, &copy, volumes)).await;
    if let Err(error) = forgotten.and_then(|done| done) {
        record.state.phase = before;
        container.set(turn, record);
        return Err(error);
    }
    engine.containers.remove(record.id());
    engine.execs.forget_of(record.id());
    // Those who wait for a start wait in vain.
    drop(container.take_waiting());
    record.removed = true;
    container.set(turn, record.clone());
    notes::publish(engine, &record, "destroy", &[]);
    images::forget_unused(engine);
    Ok(())
}

/// Takes a container's row away, its own volumes' with it, and then what both have on disk. Blocks.
///
/// The rows go first, in one transaction: folders without a row are removed at the next start, a row without folders could
/// not start.
fn forget(engine: &Arc<Engine>, record: &Record, volumes: bool) -> Result<()> {
    let id = record.id();
    let row = |transaction: &Transaction<'_>| store::containers::delete(transaction, id);
    let own: Vec<String> = record
        .definition
        .mounts
        .iter()
        .filter(|mount| volumes && mount.kind == MountKind::Volume && mount.anonymous)
        .map(|mount| mount.volume.clone())
        .collect();
    let trash = if own.is_empty() {
        engine.store.write_now(row)?;
        Vec::new()
    } else {
        let others = |name: &VolumeName| {
            let mut users = users(&engine.containers, name);
            users.retain(|user| user != id.as_str());
            users
        };
        engine.volumes.forget_all(&own, others, row)?
    };
    let later = "what a removed container left goes at the next start";
    if let Err(error) = dirs::remove(&dirs::of(&engine.config, id)) {
        tracing::warn!(container.id = %id, %error, "{later}");
    }
    for folder in trash {
        if let Err(error) = remove_tree(&folder) {
            tracing::warn!(container.id = %id, folder = %folder.display(), %error, "{later}");
        }
    }
    if let Err(error) = engine.reserve.keep() {
        tracing::debug!(%error, "the disk reserve wasn't taken");
    }
    Ok(())
}
