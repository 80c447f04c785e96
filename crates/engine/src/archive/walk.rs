//! Walks a tree of files, whatever its owner does to it meanwhile.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Dir;
use rustix::io::Errno;

use super::error::{ArchiveError, At as _};
use super::node::{Found, Kind};

/// Folders deeper than this are an error: each level holds a file descriptor.
pub const DEPTH: usize = 256;

/// What is done with each file.
pub trait Visitor {
    /// `path` is relative to the base of the walk, empty for the base itself. Folders come before what is in them.
    fn visit(&mut self, path: &Path, found: &Found) -> Result<(), ArchiveError>;

    /// A folder's content has been visited.
    fn leave(&mut self, path: &Path, found: &Found) -> Result<(), ArchiveError>;
}

/// Walks what `name` in `folder` is (`.` for the folder itself), and below it. What vanishes meanwhile is passed over,
/// but the base must be there.
pub fn walk(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    visitor: &mut impl Visitor,
) -> Result<(), ArchiveError> {
    let base = Found::at(folder, name).at("can't read", name)?;
    match base {
        Some(found) => enter(&mut PathBuf::new(), &found, visitor, 0),
        None => Ok(()),
    }
}

fn enter(
    path: &mut PathBuf,
    found: &Found,
    visitor: &mut impl Visitor,
    depth: usize,
) -> Result<(), ArchiveError> {
    visitor.visit(path, found)?;
    let (Kind::Folder, Some(fd)) = (&found.node.kind, &found.fd) else {
        return Ok(());
    };
    if depth == DEPTH {
        return Err(ArchiveError::TooDeep {
            path: path.clone(),
            depth: DEPTH,
        });
    }
    for name in names(fd.as_fd(), path)? {
        path.push(&name);
        match Found::at(fd.as_fd(), &name) {
            Ok(Some(found)) => enter(path, &found, visitor, depth + 1)?,
            Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno).at("can't read", path.clone()),
        }
        path.pop();
    }
    visitor.leave(path, found)
}

/// The names in a folder, in order: the same tree makes the same archive.
fn names(fd: BorrowedFd<'_>, path: &Path) -> Result<Vec<OsString>, ArchiveError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd).at("can't list", path)? {
        let entry = entry.at("can't list", path)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
