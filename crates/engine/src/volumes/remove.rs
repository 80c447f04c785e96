//! Removing volumes, and unmounting those that nobody uses.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::mount::UnmountFlags;

use super::{Options, Volume, VolumeError, VolumeName, Volumes};
use crate::archive::place::remove_tree;

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
        let (name, trash) = {
            let _turn = self.turn();
            let volume = match self.get(name) {
                Err(VolumeError::NotFound(_)) if force => return Ok(()),
                other => other?,
            };
            let users = users(&volume.name);
            if !users.is_empty() {
                return Err(VolumeError::InUse {
                    name: volume.name.clone(),
                    users,
                });
            }
            if self.is_held(&volume.name) {
                return Err(VolumeError::Held(volume.name.clone()));
            }
            (volume.name.clone(), self.forget(&volume)?)
        };
        self.tell("destroy", &name);
        remove_tree(&trash).map_err(VolumeError::io(&name, "remove its files"))
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

    /// Takes the volume out of sight and out of the store; gives back the folder whose content is left to remove.
    fn forget(&self, volume: &Arc<Volume>) -> Result<PathBuf, VolumeError> {
        let name = &volume.name;
        if !matches!(Options::of(&volume.options), Ok(None)) {
            // What is mounted there isn't ours to remove.
            self.unmount_now(name)?;
        }
        let number: u64 = rand::random();
        let trash = self.root.join(format!(".removed-{number:016x}-{name}"));
        let folder = self.folder(name);
        match std::fs::rename(&folder, &trash) {
            Ok(()) => {}
            // Somebody removed it by hand: the row goes all the same.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(VolumeError::io(name, "remove it")(error)),
        }
        if let Err(error) = self.store.delete_volume(name) {
            if let Err(undo) = std::fs::rename(&trash, &folder) {
                tracing::error!(volume = %name, error = %undo, "can't put a volume back");
            }
            return Err(error.into());
        }
        self.state().volumes.remove(name);
        Ok(trash)
    }
}
