//! Folders of tests: what lies in them is cleared away even where the test was killed.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Once;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::leftovers::Place;

/// Every folder's name begins so, below the system's folder for temporary files.
const PREFIX: &str = "gantry-test-";
/// A file in it that says that somebody has owned it; holds the name of the engine's bridge, if it is an engine's.
const OWNED: &str = ".owned";

/// A folder that is locked by its owner; gone when dropped. One without an owner, whose test was killed, is cleared by
/// the next test that makes one.
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one; `name` is that of the engine's bridge.
    ///
    /// # Panics
    /// Where there is no room for it.
    #[must_use]
    pub(crate) fn new(kind: &str, name: &str) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{kind}-"))
            .tempdir()
            .expect("a temporary folder");
        let lock = File::open(folder.path()).expect("the temporary folder");
        flock(&lock, FlockOperation::LockExclusive).expect("a lock on the temporary folder");
        fs::write(folder.path().join(OWNED), name).expect("a file in the temporary folder");
        Self {
            folder,
            _lock: lock,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Clears what killed tests left.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        let folder = entry.path();
        // Never through a link, and never while its owner lives. One that isn't owned yet is about to be.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(lock) = File::open(&folder) else {
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let Ok(name) = fs::read_to_string(folder.join(OWNED)) else {
            continue;
        };
        Place {
            folder: &folder,
            name: Some(name.as_str()).filter(|name| !name.is_empty()),
            namespace: None,
        }
        .clear();
        let _ = fs::remove_dir_all(&folder);
    }
}
