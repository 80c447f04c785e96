//! `docker diff`: what a container's own layer adds to its image.
//!
//! The layer's folder belongs to the container, which may be changing it this moment: every folder is opened below the
//! layer without following links.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_api::models::{ChangeType, FilesystemChange};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat,
};
use rustix::io::Errno;

use super::{Container, dirs, start};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};

/// Most changes that are listed: an answer is one JSON text in memory.
const MOST: usize = 1_000_000;
/// What the engine puts into every root for its mounts: no doing of the container's.
const OURS: &[&str] = &[
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/sbin/docker-init",
    "/sys",
];
/// No way out of a folder, however its owner turns it meanwhile.
const BELOW: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Lists the changes, by path.
pub async fn changes(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
) -> Result<Vec<FilesystemChange>> {
    let record = container.record();
    let layers = start::layers(engine, &record).await?;
    let upper = dirs::of(&engine.config, record.id()).data.join("upper");
    off_reactor(move || list(&upper, &layers)).await?
}

fn list(upper: &Path, layers: &[PathBuf]) -> Result<Vec<FilesystemChange>> {
    let failed = |path: &Path, errno: Errno| Error::Io {
        what: format!("can't read {}", path.display()),
        source: errno.into(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat(CWD, upper, flags, Mode::empty()).map_err(|errno| failed(upper, errno))?;
    let layers = layers
        .iter()
        .map(|path| openat(CWD, path, flags, Mode::empty()).map_err(|errno| failed(path, errno)))
        .collect::<Result<Vec<OwnedFd>>>()?;
    let mut walk = Walk {
        layers,
        found: Vec::new(),
    };
    walk.below(&root);
    let mut found = walk.found;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(without_ours(found))
}

/// Takes out what the engine added, and the folders that only changed by it.
fn without_ours(mut found: Vec<FilesystemChange>) -> Vec<FilesystemChange> {
    let is_ours = |change: &FilesystemChange| {
        change.kind == ChangeType::_1 && OURS.contains(&change.path.as_str())
    };
    let parents: Vec<String> = found
        .iter()
        .filter(|change| is_ours(change))
        .filter_map(|change| {
            Some(
                Path::new(&change.path)
                    .parent()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
        .collect();
    found.retain(|change| !is_ours(change));
    for parent in parents {
        let inside = format!("{parent}/");
        if !found.iter().any(|change| change.path.starts_with(&inside)) {
            found.retain(|change| change.path != parent);
        }
    }
    found
}

struct Walk {
    layers: Vec<OwnedFd>,
    found: Vec<FilesystemChange>,
}

impl Walk {
    /// Lists all below `root`. What vanishes or can't be opened meanwhile is passed over.
    ///
    /// Folders are kept by their paths, not open: a container may nest them as deep as it likes, and neither our stack
    /// nor our descriptors are to depend on that. The kernel's longest path is where it ends.
    fn below(&mut self, root: &OwnedFd) {
        let mut ahead = vec![PathBuf::from(".")];
        while let Some(relative) = ahead.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(folder) = openat2(root, &relative, flags, Mode::empty(), BELOW) else {
                continue;
            };
            self.folder(&folder, &relative, &mut ahead);
        }
    }

    fn folder(&mut self, folder: &OwnedFd, relative: &Path, ahead: &mut Vec<PathBuf>) {
        let Ok(entries) = Dir::read_from(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name: CString = entry.file_name().to_owned();
            if matches!(name.to_bytes(), b"." | b"..") || self.found.len() >= MOST {
                continue;
            }
            let Ok(stat) = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let relative = relative.join(OsStr::from_bytes(name.to_bytes()));
            let kind = FileType::from_raw_mode(stat.st_mode);
            let below = self.is_below(&relative);
            let kind_of_change = if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
                // A whiteout. One over nothing hides nothing.
                if !below {
                    continue;
                }
                ChangeType::_2
            } else if below {
                ChangeType::_0
            } else {
                ChangeType::_1
            };
            let path = Path::new("/").join(relative.strip_prefix(".").unwrap_or(&relative));
            self.found.push(FilesystemChange {
                path: path.to_string_lossy().into_owned(),
                kind: kind_of_change,
            });
            if kind == FileType::Directory {
                ahead.push(relative);
            }
        }
    }

    /// Whether the image has something at `path`: the topmost layer that says anything about it decides.
    fn is_below(&self, path: &Path) -> bool {
        for layer in self.layers.iter().rev() {
            match openat2(
                layer.as_fd(),
                path,
                OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                BELOW,
            ) {
                Ok(found) => {
                    let whiteout = rustix::fs::fstat(&found).is_ok_and(|stat| {
                        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
                            && stat.st_rdev == 0
                    });
                    return !whiteout;
                }
                Err(_) => continue,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_adds_is_no_change() {
        let change = |path: &str, kind| FilesystemChange {
            path: path.to_owned(),
            kind,
        };
        let ours = [
            ("/dev", ChangeType::_1),
            ("/etc", ChangeType::_0),
            ("/etc/hosts", ChangeType::_1),
        ];
        let mut found: Vec<_> = ours.map(|(path, kind)| change(path, kind)).into();
        assert_eq!(without_ours(found.clone()), []);
        found.push(change("/etc/passwd", ChangeType::_0));
        let left: Vec<String> = without_ours(found)
            .into_iter()
            .map(|change| change.path)
            .collect();
        assert_eq!(left, ["/etc", "/etc/passwd"]);
    }

    #[test]
    fn added_and_changed_are_told_apart_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, layer) = (dir.path().join("upper"), dir.path().join("layer"));
        std::fs::create_dir_all(upper.join("etc")).unwrap();
        std::fs::create_dir_all(layer.join("etc")).unwrap();
        std::fs::write(layer.join("etc/passwd"), "").unwrap();
        std::fs::write(upper.join("etc/passwd"), "x").unwrap();
        std::fs::write(upper.join("new"), "x").unwrap();
        std::os::unix::fs::symlink("/", upper.join("out")).unwrap();
        let changes = list(&upper, &[layer]).unwrap();
        let seen: Vec<(&str, ChangeType)> = changes
            .iter()
            .map(|change| (change.path.as_str(), change.kind))
            .collect();
        assert_eq!(
            seen,
            [
                ("/etc", ChangeType::_0),
                ("/etc/passwd", ChangeType::_0),
                ("/new", ChangeType::_1),
                ("/out", ChangeType::_1)
            ]
        );
    }

    #[test]
    fn folders_nested_without_end_cost_neither_stack_nor_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, layer) = (dir.path().join("upper"), dir.path().join("layer"));
        std::fs::create_dir_all(&upper).unwrap();
        std::fs::create_dir_all(&layer).unwrap();
        let mut at = openat(CWD, &upper, OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..2500 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", OFlags::PATH, Mode::empty()).unwrap();
        }
        // No more stack than the engine's own threads have.
        let listing = {
            let upper = upper.clone();
            std::thread::Builder::new()
                .stack_size(512 << 10)
                .spawn(move || list(&upper, &[layer]).unwrap().len())
                .unwrap()
        };
        let listed = listing.join().unwrap();
        assert!((1000..=2500).contains(&listed), "{listed}");
        crate::archive::place::remove_tree(&upper).unwrap();
    }
}
