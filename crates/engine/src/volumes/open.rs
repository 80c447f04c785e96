//! Taking up what an earlier engine left.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use time::OffsetDateTime;

use super::create::make_folders;
use super::{State, Volume, VolumeError, VolumeName, Volumes};
use crate::archive::place::remove_tree;
use crate::events::Events;
use crate::store::Store;

const TRASH: &str = ".removed-";
/// Digits and the dash before the name in a removed volume's folder.
const NUMBER: usize = 17;

impl Volumes {
    /// Opens the volumes in `root` and repairs what a crash left. `scratch` is an empty folder for looking into images.
    /// Blocks.
    pub fn open(
        root: &Path,
        scratch: &Path,
        store: Store,
        events: Arc<Events>,
    ) -> Result<Arc<Volumes>, VolumeError> {
        let failed = |what| VolumeError::io(root.display(), what);
        std::fs::create_dir_all(root).map_err(failed("make the folder of all volumes"))?;
        std::fs::create_dir_all(scratch).map_err(failed("make the scratch folder"))?;
        let mut known: BTreeMap<VolumeName, Arc<Volume>> = store
            .volumes()?
            .into_iter()
            .map(|volume| (volume.name.clone(), Arc::new(volume)))
            .collect();

        for entry in std::fs::read_dir(root).map_err(failed("list them"))? {
            let name = entry.map_err(failed("list them"))?.file_name();
            if let Some(removed) = removed_name(&name) {
                finish_removal(root, &name, removed, &store, &mut known)?;
            } else if let Some(name) = name.to_str().and_then(|name| name.parse().ok())
                && !known.contains_key(&name)
                && let Some(volume) = adopt(root, name)?
            {
                store.insert_volume(&volume)?;
                known.insert(volume.name.clone(), Arc::new(volume));
            }
        }
        for name in known.keys() {
            let folder = root.join(name.as_str());
            remove_tree(&folder.join("_fresh")).map_err(VolumeError::io(name, "tidy up"))?;
            make_folders(&folder).map_err(VolumeError::io(name, "make its folder"))?;
        }
        Ok(Arc::new(Volumes {
            root: root.to_owned(),
            scratch: scratch.to_owned(),
            store,
            events,
            turn: Mutex::default(),
            state: Mutex::new(State {
                volumes: known,
                ..State::default()
            }),
        }))
    }
}

fn removed_name(file: &OsStr) -> Option<&str> {
    file.to_str()?.strip_prefix(TRASH)?.get(NUMBER..)
}

fn finish_removal(
    root: &Path,
    trash: &OsStr,
    name: &str,
    store: &Store,
    known: &mut BTreeMap<VolumeName, Arc<Volume>>,
) -> Result<(), VolumeError> {
    // A volume of that name that has a folder was made after the removal.
    if let Ok(name) = name.parse::<VolumeName>()
        && known.contains_key(&name)
        && !root.join(name.as_str()).exists()
    {
        store.delete_volume(&name)?;
        known.remove(&name);
    }
    remove_tree(&root.join(trash)).map_err(VolumeError::io(name, "finish its removal"))
}

/// A folder that the store doesn't know: a volume if anything is in it.
fn adopt(root: &Path, name: VolumeName) -> Result<Option<Volume>, VolumeError> {
    let folder: PathBuf = root.join(name.as_str());
    let failed = || VolumeError::io(&name, "look at a folder that the database doesn't know");
    let data = match std::fs::read_dir(folder.join("_data")) {
        Ok(mut entries) => entries.next().transpose().map_err(failed())?,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            None
        }
        Err(error) => return Err(failed()(error)),
    };
    if data.is_none() {
        // Only what is empty goes; anything else in it stays for a person to look at.
        let _ = std::fs::remove_dir(folder.join("_data"));
        let _ = std::fs::remove_dir(&folder);
        return Ok(None);
    }
    tracing::warn!(volume = %name, "found a volume that the database doesn't know; it is kept");
    Ok(Some(Volume {
        name,
        created: OffsetDateTime::now_utc(),
        anonymous: false,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    }))
}
