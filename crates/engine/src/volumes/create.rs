//! Making a volume.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Transaction;
use time::OffsetDateTime;

use super::{
    ANONYMOUS_LABEL, Options, Volume, VolumeError, VolumeHold, VolumeName, Volumes, sync_folder,
};
use crate::store::StoreError;
use crate::store::volumes as rows;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its name.
    pub name: VolumeName,
    /// The name is a random one.
    pub anonymous: bool,
    /// `local`, or empty for it.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `type`, `o`, `device`.
    pub options: BTreeMap<String, String>,
}

impl Create {
    /// A plain volume of that name; of a random one it is anonymous.
    pub fn new(name: Option<VolumeName>) -> Create {
        Create {
            anonymous: name.is_none(),
            name: name.unwrap_or_else(VolumeName::random),
            driver: String::new(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }

    fn check(&self) -> Result<(), VolumeError> {
        if !["", "local"].contains(&self.driver.as_str()) {
            return Err(VolumeError::Driver(self.driver.clone()));
        }
        Options::check(self.name.as_str(), &self.options)
    }

    fn volume(&self) -> Volume {
        let mut labels = self.labels.clone();
        if self.anonymous {
            labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        Volume {
            name: self.name.clone(),
            created: OffsetDateTime::now_utc(),
            anonymous: self.anonymous,
            labels,
            options: self.options.clone(),
        }
    }
}

impl Volumes {
    /// Makes the volume, or takes the one that has that name. Blocks.
    pub fn create(self: &Arc<Self>, create: &Create) -> Result<VolumeHold, VolumeError> {
        let mut holds = self.create_all(std::slice::from_ref(create), |_| Ok(()))?;
        holds
            .pop()
            .ok_or_else(|| VolumeError::NotFound(create.name.to_string()))
    }

    /// Makes those of the volumes that aren't there, and what `also` writes, in one transaction: all or nothing. Gives
    /// a hold on each. Blocks.
    pub fn create_all(
        self: &Arc<Self>,
        create: &[Create],
        also: impl Fn(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<VolumeHold>, VolumeError> {
        create.iter().try_for_each(Create::check)?;

        let _turn = self.turn();
        let mut new: BTreeMap<&VolumeName, Arc<Volume>> = BTreeMap::new();
        for create in create {
            if !self.state().volumes.contains_key(&create.name) {
                new.entry(&create.name)
                    .or_insert_with(|| Arc::new(create.volume()));
            }
        }
        // The folders first: a row tells of something that is there. A folder that a crash leaves is empty and goes at
        // the next start.
        let recorded = new
            .keys()
            .try_for_each(|name| {
                make_folders(&self.folder(name)).map_err(VolumeError::io(name, "make its folder"))
            })
            .and_then(|()| {
                self.store.write_now(|transaction| {
                    for volume in new.values() {
                        rows::insert(transaction, volume)?;
                    }
                    also(transaction)
                })?;
                Ok(())
            });
        if let Err(error) = recorded {
            for name in new.keys() {
                let folder = self.folder(name);
                // Best effort: it is empty, so the next start removes it too.
                let _ = std::fs::remove_dir(folder.join("_data"));
                let _ = std::fs::remove_dir(&folder);
            }
            return Err(error);
        }
        for volume in new.values() {
            self.state()
                .volumes
                .insert(volume.name.clone(), Arc::clone(volume));
            self.tell("create", &volume.name, &[]);
        }
        create
            .iter()
            .map(|create| self.take(&create.name))
            .collect()
    }
}

/// Makes a volume's folder and `_data` in it, where missing.
pub(super) fn make_folders(folder: &Path) -> std::io::Result<()> {
    let data = folder.join("_data");
    // Only root and the volume's own users (through `_data`'s mode) get in, as with Docker.
    DirBuilder::new()
        .recursive(true)
        .mode(0o701)
        .create(folder)?;
    match std::fs::create_dir(&data) {
        Ok(()) => {
            // Whatever the umask is.
            std::fs::set_permissions(&data, Permissions::from_mode(0o755))?;
            sync_folder(folder)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
