//! Named and anonymous volumes of the `local` driver.
//!
//! ```text
//! <data-root>/volumes/<name>/_data       the volume's content
//! <data-root>/volumes/<name>/_fresh      content being copied from an image
//! <data-root>/volumes/<name>/_whole      the same when all of it is there: being moved into _data
//! <data-root>/volumes/.removed-<n>-<name> a volume being removed
//! ```
//!
//! The table `volumes` says what a client was told of, `volumes_leaving` which folders a removal has still to take away.
//! A folder without a row in either is kept as a volume if anything is in it (a lost database must not cost data) and
//! removed if not; a row without a folder gets an empty one. `_data` stays the same folder for a volume's whole life:
//! containers have it mounted.
//!
//! Who uses a volume is the containers' knowledge: callers that remove ask for it under the volumes' own lock, and a
//! caller that is about to record a use takes a [`VolumeHold`] first.

mod create;
mod error;
mod fill;
mod name;
mod open;
mod options;
mod remove;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

pub use create::Create;
pub use error::VolumeError;
pub use fill::Source;
pub use name::VolumeName;
pub use options::Options;
pub use remove::Removed;

use crate::containers::{ContainerId, Containers};
use crate::events::{Events, Subject};
use crate::store::Store;

/// The label that marks an anonymous volume, as Docker's.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// When it was made.
    pub created: OffsetDateTime,
    /// Made for a container without being named.
    pub anonymous: bool,
    /// What people noted on it.
    pub labels: BTreeMap<String, String>,
    /// `type`, `o` and `device`.
    pub options: BTreeMap<String, String>,
}

/// All volumes. All calls that change something block: run them off the reactor.
#[derive(Debug)]
pub struct Volumes {
    root: PathBuf,
    scratch: PathBuf,
    store: Store,
    events: Arc<Events>,
    /// Held by whoever changes volumes.
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<VolumeName, Arc<Volume>>,
    holds: HashMap<VolumeName, Held>,
}

/// What the holders of one volume share.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// Held by whoever fills it: that takes long, and is no matter of other volumes.
    filling: Arc<Mutex<()>>,
}

/// Keeps a volume from being removed and unmounted until its use is recorded.
#[derive(Debug)]
pub struct VolumeHold {
    volumes: Arc<Volumes>,
    volume: Arc<Volume>,
    filling: Arc<Mutex<()>>,
}

impl Volumes {
    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Volume>> {
        self.state().volumes.values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Result<Arc<Volume>, VolumeError> {
        let missing = || VolumeError::NotFound(name.to_owned());
        let known = name.parse::<VolumeName>().map_err(|_| missing())?;
        self.state()
            .volumes
            .get(&known)
            .cloned()
            .ok_or_else(missing)
    }

    /// Takes a hold on a volume that is there.
    pub fn hold(self: &Arc<Self>, name: &str) -> Result<VolumeHold, VolumeError> {
        let _turn = self.turn();
        let name = self.get(name)?.name.clone();
        self.take(&name)
    }

    /// Where its content is.
    pub fn data(&self, name: &VolumeName) -> PathBuf {
        self.folder(name).join("_data")
    }

    fn folder(&self, name: &VolumeName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// A hold, in the caller's turn.
    fn take(self: &Arc<Self>, name: &VolumeName) -> Result<VolumeHold, VolumeError> {
        let mut state = self.state();
        let volume = state.volumes.get(name).cloned();
        let volume = volume.ok_or_else(|| VolumeError::NotFound(name.to_string()))?;
        let held = state.holds.entry(name.clone()).or_default();
        held.count += 1;
        Ok(VolumeHold {
            volumes: Arc::clone(self),
            filling: Arc::clone(&held.filling),
            volume,
        })
    }

    fn is_held(&self, name: &VolumeName) -> bool {
        self.state().holds.contains_key(name)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a volume, with `more` attributes.
    pub fn tell(&self, action: &str, name: &VolumeName, more: &[(&str, &str)]) {
        let attributes = [("driver", "local")].iter().chain(more);
        let attributes = attributes.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let attributes = attributes.collect::<BTreeMap<_, _>>();
        self.events
            .publish(Subject::Volume, action, name.as_str(), attributes);
    }
}

impl VolumeHold {
    /// The volume.
    pub fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    /// Where its content is.
    pub fn data(&self) -> PathBuf {
        self.volumes.data(&self.volume.name)
    }

    /// Mounts what the volume's options say, if they say something and it isn't yet, and gives the folder to bind into
    /// the container. Blocks.
    pub fn mount(&self) -> Result<PathBuf, VolumeError> {
        let data = self.data();
        if let Some(options) = Options::of(&self.volume.options)? {
            let _turn = self.volumes.turn();
            options.mount(&self.volume.name, &data)?;
        }
        Ok(data)
    }
}

impl Drop for VolumeHold {
    fn drop(&mut self) {
        let mut state = self.volumes.state();
        if let Some(held) = state.holds.get_mut(&self.volume.name) {
            held.count -= 1;
            if held.count == 0 {
                state.holds.remove(&self.volume.name);
            }
        }
    }
}

/// The ids of the containers, running or not, that were made with a volume.
pub fn users(containers: &Containers, name: &VolumeName) -> Vec<String> {
    let mut users = Vec::new();
    for container in containers.all() {
        container.with(|record| {
            let mounts = &record.definition.mounts;
            let has_it = mounts.iter().any(|mount| mount.volume == name.as_str());
            if has_it && !record.removed {
                users.push(record.id().to_string());
            }
        });
    }
    users
}

/// Whether a container that is alive has the volume, not counting `but`.
pub fn is_live(containers: &Containers, name: &VolumeName, but: Option<&ContainerId>) -> bool {
    containers.all().iter().any(|container| {
        container.with(|record| {
            let mut mounts = record.definition.mounts.iter();
            record.state.phase.is_alive()
                && but != Some(record.id())
                && mounts.any(|mount| mount.volume == name.as_str())
        })
    })
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}
