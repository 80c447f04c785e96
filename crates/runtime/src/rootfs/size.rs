//! How much a container has written.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;

use super::RootfsError;

/// What lies in a folder tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Lengths of all regular files and symbolic links, hard links counted once.
    pub bytes: u64,
    /// Files, folders and links, without the tree's own root.
    pub entries: u64,
}

/// The size of the tree below `root`, usually a container's upper folder; nothing where it isn't there.
///
/// The container may be writing meanwhile and may try to lead the walk out of its tree: each folder is opened below
/// `root` without following a link. Branches deeper than the kernel's longest path are not counted.
///
/// # Errors
/// Where the root itself can't be opened; what vanishes during the walk is passed over.
pub fn size(root: &Path) -> Result<Size, RootfsError> {
    let fail = |errno: Errno| RootfsError::Read {
        path: root.to_owned(),
        source: io::Error::from(errno),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = match rustix::fs::open(root, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(base) => base,
        Err(Errno::NOENT) => return Ok(Size::default()),
        Err(errno) => return Err(fail(errno)),
    };
    let mut total = Size::default();
    let mut linked = HashSet::new();
    let mut folders = vec![PathBuf::from(".")];
    while let Some(relative) = folders.pop() {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let Ok(folder) = openat2(&base, &relative, flags, Mode::empty(), resolve) else {
            continue;
        };
        let Ok(entries) = Dir::read_from(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            total.entries += 1;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    use std::os::unix::ffi::OsStrExt;
                    folders.push(relative.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
                }
                FileType::RegularFile | FileType::Symlink => {
                    let first = stat.st_nlink < 2 || linked.insert((stat.st_dev, stat.st_ino));
                    if first {
                        total.bytes = total
                            .bytes
                            .saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(total)
}
