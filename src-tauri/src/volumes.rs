//! The volumes list.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptions, RemoveVolumeOptions,
};
use serde::Serialize;
use tauri::State;

use crate::engine::Engine;
use crate::error::CommandError;

/// One row of the volumes list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Where its data is on the engine's machine.
    pub mountpoint: String,
    /// RFC 3339; empty where the engine doesn't tell.
    pub created: String,
    /// Names of containers that mount it, ordered.
    pub used_by: Vec<String>,
}

/// All volumes, by name.
#[tauri::command]
pub async fn volumes_list(engine: State<'_, Engine>) -> Result<Vec<Volume>, CommandError> {
    let client = engine.client()?;
    let everything = ListContainersOptionsBuilder::new().all(true).build();
    let (volumes, containers) = tokio::try_join!(
        client.list_volumes(None::<ListVolumesOptions>),
        client.list_containers(Some(everything))
    )?;
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    for container in containers {
        let name = container
            .names
            .unwrap_or_default()
            .into_iter()
            .next()
            .unwrap_or_default();
        for volume in container
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mount| mount.name)
        {
            users
                .entry(volume)
                .or_default()
                .push(name.trim_start_matches('/').to_owned());
        }
    }
    let mut volumes: Vec<Volume> = volumes
        .volumes
        .unwrap_or_default()
        .into_iter()
        .map(|volume| {
            let mut used_by = users.remove(&volume.name).unwrap_or_default();
            used_by.sort();
            used_by.dedup();
            let created = volume.created_at.unwrap_or_default();
            Volume {
                name: volume.name,
                mountpoint: volume.mountpoint,
                created,
                used_by,
            }
        })
        .collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

/// Removes a volume with its data; one that a container mounts is refused by the engine.
#[tauri::command]
pub async fn volume_delete(engine: State<'_, Engine>, name: String) -> Result<(), CommandError> {
    engine
        .client()?
        .remove_volume(&name, None::<RemoveVolumeOptions>)
        .await?;
    Ok(())
}
