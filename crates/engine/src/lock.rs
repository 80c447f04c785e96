//! Keeps two engines off one data root, and one exec root.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// A root that is ours as long as this lives; the kernel lets go of it however we end.
#[derive(Debug)]
pub struct RootLock {
    _file: File,
}

impl RootLock {
    /// Makes `root` with `mode` where missing, sets the mode where it is another, and locks it.
    pub fn take(root: &Path, mode: u32) -> Result<RootLock> {
        let failed = |what: &str| Error::io(format!("can't {what} {}", root.display()));
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(root)
            .map_err(failed("make"))?;
        std::fs::set_permissions(root, Permissions::from_mode(mode))
            .map_err(failed("set the mode of"))?;
        let path = root.join("gantryd.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("lock"))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            let holder = holder.trim();
            let who = if holder.is_empty() {
                String::new()
            } else {
                format!(" (process {holder})")
            };
            return Err(Error::conflict(format!(
                "another gantryd{who} works on {}: stop it first, or choose other --data-root and --exec-root",
                root.display()
            )));
        }
        // Only for the message above; the lock itself is the kernel's.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(RootLock { _file: file })
    }
}

/// The file that holds our process id; removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes it. A file that an ended engine left is replaced: the roots' locks tell whether one runs.
    pub fn write(path: &Path) -> Result<PidFile> {
        let failed = || Error::io(format!("can't write pidfile {}", path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed())?;
        }
        std::fs::write(path, std::process::id().to_string()).map_err(failed())?;
        Ok(PidFile {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_one_engine_and_its_mode_is_kept_tight() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, Permissions::from_mode(0o777)).unwrap();
        let lock = RootLock::take(&root, 0o710).unwrap();
        assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o710);
        let error = RootLock::take(&root, 0o710).unwrap_err();
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(lock);
        RootLock::take(&root, 0o710).unwrap();
    }
}
