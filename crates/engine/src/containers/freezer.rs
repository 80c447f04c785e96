//! `pause` and `unpause`.

use std::sync::Arc;

use gantry_runtime::cgroup::Cgroup;

use super::{Container, Phase, Record, notes, start};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};

/// The container's control groups.
pub fn cgroup(engine: &Engine, record: &Record) -> Cgroup {
    let parent = record
        .definition
        .host
        .cgroup_parent
        .clone()
        .filter(|path| !path.is_empty());
    let place = gantry_runtime::ContainerSpec {
        id: record.id().as_str().to_owned(),
        cgroup_parent: parent,
        ..gantry_runtime::ContainerSpec::default()
    };
    Cgroup::in_hierarchies(engine.hierarchies.clone(), &place.cgroup_path())
}

/// Freezes all processes.
pub async fn pause(engine: &Arc<Engine>, container: &Arc<Container>) -> Result<()> {
    let turn = container.turn().await;
    let mut record = container.record();
    match record.state.phase {
        Phase::Running => {}
        Phase::Paused => {
            return Err(Error::conflict(format!(
                "Container {} is already paused",
                record.id()
            )));
        }
        Phase::Restarting => {
            return Err(Error::conflict(format!(
                "Container {} is restarting, wait until the container is running",
                record.id()
            )));
        }
        _ => {
            return Err(Error::conflict(format!(
                "Container {} is not running",
                record.id()
            )));
        }
    }
    let group = cgroup(engine, &record);
    off_reactor(move || group.freeze()).await??;
    record.state.phase = Phase::Paused;
    if let Err(error) = start::save(engine, &record).await {
        // Nobody was told that it is paused, so it isn't to be.
        thaw(engine, &record).await?;
        return Err(error);
    }
    container.set(&turn, record.clone());
    notes::publish(engine, &record, "pause", &[]);
    Ok(())
}

/// Lets them go on.
pub async fn unpause(engine: &Arc<Engine>, container: &Arc<Container>) -> Result<()> {
    let turn = container.turn().await;
    let mut record = container.record();
    if record.state.phase != Phase::Paused {
        return Err(Error::conflict(format!(
            "Container {} is not paused",
            record.id()
        )));
    }
    thaw(engine, &record).await?;
    record.state.phase = Phase::Running;
    start::save(engine, &record).await?;
    container.set(&turn, record.clone());
    notes::publish(engine, &record, "unpause", &[]);
    Ok(())
}

/// Thaws the control groups only.
pub async fn thaw(engine: &Engine, record: &Record) -> Result<()> {
    let group = cgroup(engine, record);
    off_reactor(move || group.thaw()).await??;
    Ok(())
}
