//! Removing volumes, and unmounting those that nobody uses.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Transaction;
use rustix::mount::UnmountFlags;

use super::open::TRASH;
use super::{Options, Volume, VolumeError, VolumeName, Volumes};
use crate::archive::place::remove_tree;
use crate::events::Subject;
use crate::store::StoreError;
use crate::store::volumes as rows;

/// What pruning took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The volumes.
    pub names: Vec<VolumeName>,
    /// Bytes won.
    pub bytes: u64,
}

impl Volumes {
    /// Removes a volume that no container uses; `users` is asked while nobody can take it. With `force` one that isn't
    /// there is no error. Blocks.
    pub fn remove(
        &self,
        name: &str,
        force: bool,
        users: impl Fn(&VolumeName) -> Vec<String>,
    ) -> Result<(), VolumeError> {
        let (volume, trash) = {
            let _turn = self.turn();
            let volume = match self.get(name) {
                Err(VolumeError::NotFound(_)) if force => return Ok(()),
                other => other?,
            };
            self.check_unused(&volume.name, &users)?;
            let trash = self.forget(std::slice::from_ref(&volume), |_| Ok(()))?;
            (volume, trash)
        };
        self.tell("destroy", &volume.name, &[]);
        for folder in trash {
            remove_tree(&folder).map_err(VolumeError::io(&volume.name, "remove its files"))?;
        }
        Ok(())
    }

    /// Takes those of the volumes that nobody uses out of sight and out of the store, in one transaction with what
    /// `also` writes. Gives the folders that are left to remove. Blocks.
    pub fn forget_all(
        &self,
        names: &[String],
        users: impl Fn(&VolumeName) -> Vec<String>,
        also: impl Fn(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<PathBuf>, VolumeError> {
        let (volumes, trash) = {
            let _turn = self.turn();
            let volumes: Vec<Arc<Volume>> = names
                .iter()
                .filter_map(|name| self.get(name).ok())
                .filter(|volume| self.check_unused(&volume.name, &users).is_ok())
                .collect();
            let trash = self.forget(&volumes, also)?;
            (volumes, trash)
        };
        for volume in &volumes {
            self.tell("destroy", &volume.name, &[]);
        }
        Ok(trash)
    }

    fn check_unused(
        &self,
        name: &VolumeName,
        users: &impl Fn(&VolumeName) -> Vec<String>,
    ) -> Result<(), VolumeError> {
        let users = users(name);
        if !users.is_empty() {
            return Err(VolumeError::InUse {
                name: name.clone(),
                users,
            });
        }
        if self.is_held(name) {
            return Err(VolumeError::Held(name.clone()));
        }
        Ok(())
    }

    /// Removes volumes that `wanted` picks and no container uses. What can't be removed is logged and passed over.
    pub fn prune(
        &self,
        wanted: impl Fn(&Volume) -> bool,
        users: impl Fn(&VolumeName) -> Vec<String>,
    ) -> Removed {
        let mut removed = Removed::default();
        for volume in self.list() {
            if !wanted(&volume) || !users(&volume.name).is_empty() || self.is_held(&volume.name) {
                continue;
            }
            let bytes = self.size(&volume);
            match self.remove(volume.name.as_str(), true, &users) {
                Ok(()) => {
                    removed.names.push(volume.name.clone());
                    removed.bytes += bytes;
                }
                Err(error) => tracing::warn!(volume = %volume.name, %error, "not pruned"),
            }
        }
        self.events.publish_prune(Subject::Volume, removed.bytes);
        removed
    }

    /// Bytes of a volume's content; 0 where it lies elsewhere or can't be read. Blocks.
    pub fn size(&self, volume: &Volume) -> u64 {
        if !matches!(Options::of(&volume.options), Ok(None)) {
            return 0;
        }
        gantry_runtime::rootfs::size(&self.data(&volume.name)).map_or(0, |size| size.bytes)
    }

    /// Unmounts what a volume's options mounted, unless `used` (asked under the lock) or about to be. Blocks.
    pub fn unmount(
        &self,
        name: &VolumeName,
        used: impl FnOnce() -> bool,
    ) -> Result<(), VolumeError> {
        let _turn = self.turn();
        let volume = self.state().volumes.get(name).cloned();
        let Some(volume) = volume else { return Ok(()) };
        if matches!(Options::of(&volume.options), Ok(None)) || self.is_held(name) || used() {
            return Ok(());
        }
        self.unmount_now(name)
    }

    pub(super) fn unmount_now(&self, name: &VolumeName) -> Result<(), VolumeError> {
        use rustix::io::Errno;
        match rustix::mount::unmount(self.data(name), UnmountFlags::DETACH) {
            // Not mounted, or not there.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
            Err(errno) => Err(VolumeError::io(name, "unmount it")(errno)),
        }
    }

    /// Takes volumes out of the store and out of sight, in one's turn. The store comes first: what it says is leaving is
    /// removed at the next start, should we be killed before it is out of the way here.
    fn forget(
        &self,
        volumes: &[Arc<Volume>],
        also: impl Fn(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<PathBuf>, VolumeError> {
        for volume in volumes {
            if !matches!(Options::of(&volume.options), Ok(None)) {
                // What is mounted there isn't ours to remove.
                self.unmount_now(&volume.name)?;
            }
        }
        self.store.write_now(|transaction| {
            for volume in volumes {
                rows::delete(transaction, &volume.name)?;
            }
            also(transaction)
        })?;
        let mut trash = Vec::new();
        for Volume { name, .. } in volumes.iter().map(AsRef::as_ref) {
            self.state().volumes.remove(name);
            let number: u64 = rand::random();
            let to = self.root.join(format!("{TRASH}{number:016x}-{name}"));
            match std::fs::rename(self.folder(name), &to) {
                Ok(()) => trash.push(to),
                // Somebody removed it by hand.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(volume = %name, %error, "a removed volume's folder stays until the next start");
                }
            }
        }
        Ok(trash)
    }
}
