//! The volumes that a container brings along.

use gantry_api::models::{Mount, MountVolumeOptions};

use super::destination;
use crate::containers::{Definition, MountKind};
use crate::error::Result;
use crate::volumes::{Create, Volumes};

/// What to make for a definition, which is told the names and places of its volumes.
pub fn volumes_of(volumes: &Volumes, definition: &mut Definition) -> Result<Vec<Create>> {
    let asked: Vec<Mount> = definition.host.mounts.clone().unwrap_or_default();
    let mut wanted = Vec::new();
    for mount in &mut definition.mounts {
        if mount.kind != MountKind::Volume {
            continue;
        }
        let options = options_of(&asked, &mount.destination);
        let name = Some(&mount.volume).filter(|name| !name.is_empty());
        let create = Create {
            labels: options.labels.unwrap_or_default().into_iter().collect(),
            options: options
                .driver_config
                .and_then(|driver| driver.options)
                .unwrap_or_default()
                .into_iter()
                .collect(),
            ..Create::new(name.map(|name| name.parse()).transpose()?)
        };
        mount.source = volumes.data(&create.name);
        mount.volume = create.name.to_string();
        wanted.push(create);
    }
    Ok(wanted)
}

fn options_of(asked: &[Mount], place: &str) -> MountVolumeOptions {
    let is_it = |mount: &&Mount| {
        let target = mount.target.as_deref().map(destination);
        matches!(target, Some(Ok(target)) if target == place)
    };
    asked
        .iter()
        .find(is_it)
        .and_then(|mount| mount.volume_options.clone())
        .unwrap_or_default()
}
