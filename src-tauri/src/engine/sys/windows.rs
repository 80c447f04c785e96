//! Windows tells of changes only to a thread that waits for them: a look now and then costs less.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A watch on one path.
pub struct PathWatch {
    path: PathBuf,
    seen: Mutex<(u64, SystemTime)>,
}

impl PathWatch {
    /// Watches `path`, which must exist: a file for what is written to it, a folder for what appears in it.
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            seen: Mutex::new(look(path)?),
            path: path.to_owned(),
        })
    }

    /// Waits until something has changed since the last call (or since [`PathWatch::new`]).
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let now = look(&self.path)?;
            let before = {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *seen, now)
            };
            if before != now {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Opens it: what a folder tells of an open file's size may be old.
fn look(path: &Path) -> io::Result<(u64, SystemTime)> {
    let metadata = match std::fs::File::open(path) {
        Ok(file) => file.metadata()?,
        // Folders open in another way.
        Err(_) => std::fs::metadata(path)?,
    };
    Ok((metadata.len(), metadata.modified()?))
}
