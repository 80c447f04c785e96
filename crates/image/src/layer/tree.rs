//! The folder that a layer is unpacked to, and how a name in it is reached without leaving it.
//!
//! Names are resolved by the kernel with `RESOLVE_IN_ROOT`: a symlink of the layer leads within the layer, as it would
//! in a chroot, whatever it says.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use super::remove::remove_tree;
use super::tar::MAX_PATH;
use crate::LayerError;

/// Open folders kept.
const CACHE: usize = 128;

/// An entry's name within the layer: components between single slashes, none of them `.` or `..`; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InnerPath(Vec<u8>);

impl InnerPath {
    /// Cleans a name as written in a tar. Absolute names are taken from the layer's root.
    pub(super) fn new(raw: &[u8]) -> Result<InnerPath, LayerError> {
        if raw.len() as u64 > MAX_PATH {
            return Err(LayerError::TooMuch {
                what: "length of a name",
                limit: MAX_PATH,
            });
        }
        let mut clean: Vec<u8> = Vec::with_capacity(raw.len());
        for component in raw.split(|b| *b == b'/') {
            match component {
                b"" | b"." => {}
                b".." if clean.is_empty() => {
                    return Err(LayerError::Escapes {
                        name: printable(raw),
                    });
                }
                b".." => {
                    let end = clean.iter().rposition(|b| *b == b'/').unwrap_or(0);
                    clean.truncate(end);
                }
                name => {
                    if !clean.is_empty() {
                        clean.push(b'/');
                    }
                    clean.extend_from_slice(name);
                }
            }
        }
        Ok(InnerPath(clean))
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The folder and the name in it; none for the root.
    pub(super) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[], &self.0),
        })
    }

    pub(super) fn printable(&self) -> String {
        printable(&self.0)
    }
}

/// For error texts: no control characters, no more than a line.
pub(crate) fn printable(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw)
        .chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}

/// What was in the way of an entry.
pub(super) enum Vacated {
    /// A folder, and the entry is a folder as well.
    Merge,
    /// Something, now removed.
    Removed {
        /// It said that the name is gone from the layers below.
        whiteout: bool,
    },
}

pub(super) struct Tree {
    root: Rc<OwnedFd>,
    open: HashMap<Vec<u8>, Rc<OwnedFd>>,
    implied: u64,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Tree {
        Tree {
            root: Rc::new(root),
            open: HashMap::new(),
            implied: 0,
        }
    }

    /// How many folders were made that the tar has no entry of.
    pub(super) fn implied(&self) -> u64 {
        self.implied
    }

    pub(super) fn root(&self) -> &Rc<OwnedFd> {
        &self.root
    }

    /// A folder that must be there.
    pub(super) fn existing(&mut self, dir: &[u8]) -> Result<Rc<OwnedFd>, Errno> {
        if dir.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some(open) = self.open.get(dir) {
            return Ok(Rc::clone(open));
        }
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let fd = loop {
            match rustix::fs::openat2(&self.root, dir, DIRECTORY, Mode::empty(), resolve) {
                // The kernel says AGAIN when something was renamed anywhere while it resolved a `..`.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => break Rc::new(result?),
            }
        };
        self.remember(dir.to_vec(), Rc::clone(&fd));
        Ok(fd)
    }

    /// A folder, made with its parents where tars leave them out.
    pub(super) fn folder(&mut self, dir: &[u8]) -> Result<Rc<OwnedFd>, Errno> {
        match self.existing(dir) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            result => return result,
        }
        // If a folder is there, all above it are: the deepest that is there is found by halving.
        let ends: Vec<usize> = (0..dir.len())
            .filter(|at| dir[*at] == b'/')
            .chain([dir.len()])
            .collect();
        let (mut there, mut missing) = (0, ends.len() - 1);
        let mut parent = Rc::clone(&self.root);
        while there < missing {
            let middle = (there + missing) / 2;
            match self.existing(&dir[..ends[middle]]) {
                Ok(fd) => {
                    parent = fd;
                    there = middle + 1;
                }
                Err(Errno::NOENT | Errno::NOTDIR) => missing = middle,
                Err(error) => return Err(error),
            }
        }
        let mut start = if there == 0 { 0 } else { ends[there - 1] + 1 };
        for end in &ends[there..] {
            parent = Rc::new(make_implied(&parent, &dir[start..*end])?);
            self.implied += 1;
            start = end + 1;
        }
        self.remember(dir.to_vec(), Rc::clone(&parent));
        Ok(parent)
    }

    /// Remembers an open folder for the entries in it that usually follow.
    pub(super) fn remember(&mut self, dir: Vec<u8>, fd: Rc<OwnedFd>) {
        if self.open.len() >= CACHE {
            self.open.clear();
        }
        self.open.insert(dir, fd);
    }

    /// Makes room for an entry, the later of two by one name.
    pub(super) fn vacate(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        for_folder: bool,
    ) -> Result<Vacated, Errno> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            if for_folder {
                return Ok(Vacated::Merge);
            }
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            self.open.clear();
            remove_tree(std::os::fd::AsFd::as_fd(parent), &name)?;
            return Ok(Vacated::Removed { whiteout: false });
        }
        if kind == FileType::Symlink {
            self.open.clear();
        }
        rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
        Ok(Vacated::Removed {
            whiteout: kind == FileType::CharacterDevice && stat.st_rdev == 0,
        })
    }
}

/// Makes and opens one folder; where a layer says that the name is gone, it hides what is below.
fn make_implied(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let mut hides = false;
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) if is_whiteout(parent, name)? => {
            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
            rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
            hides = true;
        }
        Err(Errno::EXIST) => return Err(Errno::NOTDIR),
        result => result?,
    }
    let folder = rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
    if hides {
        hide_below(&folder)?;
    }
    Ok(folder)
}

/// Whether `name` is overlayfs's mark of a removed name.
pub(super) fn is_whiteout(parent: &OwnedFd, name: &[u8]) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0)
}

/// Marks a folder as hiding what the layers below have in it.
pub(super) fn hide_below(folder: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fsetxattr(folder, "trusted.overlay.opaque", b"y", XattrFlags::empty())
}
