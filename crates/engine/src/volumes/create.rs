//! Making a volume.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use super::{
    ANONYMOUS_LABEL, Options, Volume, VolumeError, VolumeHold, VolumeName, Volumes, sync_folder,
};

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// Its name; a random one makes it anonymous.
    pub name: Option<VolumeName>,
    /// `local`, or empty for it.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `type`, `o`, `device`.
    pub options: BTreeMap<String, String>,
}

impl Volumes {
    /// Makes the volume, or takes the one that has that name. Blocks.
    pub fn create(self: &Arc<Self>, create: Create) -> Result<VolumeHold, VolumeError> {
        if !["", "local"].contains(&create.driver.as_str()) {
            return Err(VolumeError::Driver(create.driver));
        }
        let anonymous = create.name.is_none();
        let name = create.name.unwrap_or_else(VolumeName::random);
        Options::check(name.as_str(), &create.options)?;

        let _turn = self.turn();
        let there = self.state().volumes.get(&name).cloned();
        if let Some(volume) = there {
            return Ok(self.held(volume));
        }
        let mut labels = create.labels;
        if anonymous {
            labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        let volume = Arc::new(Volume {
            name: name.clone(),
            created: OffsetDateTime::now_utc(),
            anonymous,
            labels,
            options: create.options,
        });
        // The folder first: a row tells of something that is there. A folder that a crash leaves is empty and goes at
        // the next start.
        let folder = self.folder(&name);
        make_folders(&folder).map_err(VolumeError::io(&name, "make its folder"))?;
        if let Err(error) = self.store.insert_volume(&volume) {
            // Best effort: it is empty, so the next start removes it too.
            let _ = std::fs::remove_dir(folder.join("_data"));
            let _ = std::fs::remove_dir(&folder);
            return Err(error.into());
        }
        self.state()
            .volumes
            .insert(name.clone(), Arc::clone(&volume));
        self.tell("create", &name);
        Ok(self.held(volume))
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
    if !data.exists() {
        std::fs::create_dir(&data)?;
        // Whatever the umask is.
        std::fs::set_permissions(&data, Permissions::from_mode(0o755))?;
    }
    sync_folder(folder)
}
