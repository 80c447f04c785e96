//! Taking up what an earlier engine left.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use time::OffsetDateTime;

use super::create::make_folders;
use super::fill::settle;
use super::{State, Volume, VolumeError, VolumeName, Volumes};
use crate::archive::place::remove_tree;
use crate::events::Events;
use crate::store::Store;
use crate::store::volumes as rows;

/// How the folder of a volume that is being removed is called.
pub(super) const TRASH: &str = ".removed-";

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

        let leaving: HashSet<String> = store.leaving_volumes()?.into_iter().collect();
        let mut all_left = true;
        for entry in std::fs::read_dir(root).map_err(failed("list them"))? {
            let file = entry.map_err(failed("list them"))?.file_name();
            let Some(text) = file.to_str() else { continue };
            if text.starts_with(TRASH) || leaving.contains(text) {
                // One that can't be removed (an immutable file, a broken disk) is no reason not to start.
                if let Err(error) = remove_tree(&root.join(text)) {
                    tracing::warn!(volume = text, %error, "a removed volume's files can't be removed");
                    all_left = false;
                }
            } else if let Ok(name) = text.parse::<VolumeName>()
                && !known.contains_key(&name)
                && let Some(volume) = adopt(root, name)?
            {
                store.write_now(|transaction| rows::insert(transaction, &volume))?;
                known.insert(volume.name.clone(), Arc::new(volume));
            }
        }
        if all_left && !leaving.is_empty() {
            store.forget_leaving_volumes()?;
        }
        for name in known.keys() {
            let folder = root.join(name.as_str());
            let repaired = make_folders(&folder)
                .and_then(|()| remove_tree(&folder.join("_fresh")))
                .and_then(|()| settle(&folder));
            if let Err(error) = repaired {
                tracing::error!(volume = %name, %error, "a volume's folder can't be put right");
            }
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
