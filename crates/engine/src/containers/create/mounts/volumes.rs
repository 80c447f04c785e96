//! The volumes of a container that is being created.

use std::sync::Arc;

use gantry_api::models::Mount;

use super::destination;
use crate::containers::{Definition, MountKind};
use crate::error::Result;
use crate::state::Engine;
use crate::volumes::{self, VolumeHold};

/// Volumes that were made or taken for a container that isn't recorded yet.
#[derive(Debug, Default)]
pub struct Made {
    holds: Vec<VolumeHold>,
    anonymous: Vec<String>,
}

impl Made {
    /// Takes back what was made for this container only.
    pub fn undo(self, engine: &Engine) {
        drop(self.holds);
        for name in self.anonymous {
            if let Err(error) = engine.volumes.remove(&name, true, |_| Vec::new()) {
                tracing::warn!(volume = name, %error, "an anonymous volume wasn't taken back");
            }
        }
    }
}

/// Makes the volumes of a definition and fills in where they are. Blocks.
pub fn make_volumes(engine: &Arc<Engine>, definition: &mut Definition) -> Result<Made> {
    let mut made = Made::default();
    let asked: Vec<Mount> = definition.host.mounts.clone().unwrap_or_default();
    for mount in &mut definition.mounts {
        if mount.kind != MountKind::Volume {
            continue;
        }
        let options = asked
            .iter()
            .find(|asked| {
                asked
                    .target
                    .as_deref()
                    .and_then(|target| destination(target).ok())
                    .as_ref()
                    == Some(&mount.destination)
            })
            .and_then(|asked| asked.volume_options.clone())
            .unwrap_or_default();
        let create = volumes::Create {
            name: if mount.volume.is_empty() {
                None
            } else {
                Some(mount.volume.parse()?)
            },
            driver: String::new(),
            labels: options.labels.unwrap_or_default().into_iter().collect(),
            options: options
                .driver_config
                .and_then(|driver| driver.options)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        };
        match engine.volumes.create(create) {
            Ok(hold) => {
                let name = hold.volume().name.as_str().to_owned();
                if mount.volume.is_empty() {
                    made.anonymous.push(name.clone());
                }
                mount.source = hold.data();
                mount.volume = name;
                made.holds.push(hold);
            }
            Err(error) => {
                made.undo(engine);
                return Err(error.into());
            }
        }
    }
    Ok(made)
}
