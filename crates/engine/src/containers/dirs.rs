//! A container's folder below the data root: made at create, gone at remove.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use gantry_runtime::{Dirs, rootfs};

use super::ContainerId;
use crate::archive::place::remove_tree;
use crate::config::Config;
use crate::error::{Error, Result};

/// Both folders of a container.
pub fn of(config: &Config, id: &ContainerId) -> Dirs {
    Dirs {
        state: config.exec_dir(id.as_str()),
        data: config.container_dir(id.as_str()),
    }
}

/// Where its log is.
pub fn log(dirs: &Dirs) -> PathBuf {
    dirs.data.join("log")
}

/// Where its root appears while it is mounted.
pub fn merged(dirs: &Dirs) -> PathBuf {
    dirs.data.join("merged")
}

/// Makes the data folder. `upper` becomes the container's `/`, so it is open to its users; the folder around it isn't.
pub fn make(data: &Path) -> Result<()> {
    let failed = || Error::io(format!("can't make {}", data.display()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o710)
        .create(data)
        .map_err(failed())?;
    for (name, mode) in [("upper", 0o755), ("work", 0o710), ("merged", 0o710)] {
        let path = data.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&path)
            .map_err(failed())?;
        // The process's umask must not decide about a container's root.
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed())?;
    }
    Ok(())
}

/// Mounts the root over the image's layers; nothing to do where it is. `volatile`: what is written goes with the end.
pub fn mount(dirs: &Dirs, layers: &[PathBuf], volatile: bool) -> Result<PathBuf> {
    let merged = merged(dirs);
    rootfs::mount(&rootfs::Overlay {
        lower: layers,
        upper: &dirs.data.join("upper"),
        work: &dirs.data.join("work"),
        merged: &merged,
        volatile,
    })?;
    Ok(merged)
}

/// Unmounts everything of a container and removes both folders; goes on past failures and returns the first.
pub fn remove(dirs: &Dirs) -> Result<()> {
    let mut failures = rootfs::unmount_below(&dirs.data, |_| false)
        .into_iter()
        .map(Error::from)
        .collect::<Vec<_>>();
    failures.extend(
        rootfs::unmount_below(&dirs.state, |_| false)
            .into_iter()
            .map(Error::from),
    );
    if failures.is_empty() {
        for path in [&dirs.state, &dirs.data] {
            // What lies in there is the container's doing: of any depth, with any name.
            if let Err(source) = remove_tree(path) {
                failures.push(Error::Io {
                    what: format!("can't remove {}", path.display()),
                    source,
                });
            }
        }
    }
    match failures.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

    use super::*;

    #[test]
    fn no_depth_keeps_a_container_from_being_removed() {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs {
            state: root.path().join("run"),
            data: root.path().join("data"),
        };
        make(&dirs.data).unwrap();
        std::fs::create_dir(&dirs.state).unwrap();
        let mut at = openat(CWD, dirs.data.join("upper"), OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..1500 {
            mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", OFlags::PATH, Mode::empty()).unwrap();
        }
        // No more stack than the engine's own threads have.
        let removing = std::thread::Builder::new()
            .stack_size(512 << 10)
            .spawn(move || remove(&dirs));
        removing.unwrap().join().unwrap().unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
