//! Makes files as they should be, in folders that somebody hostile may be changing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
    XattrFlags, chownat, fchmod, fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, openat,
    openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::node::{Kind, Node};
use super::root::below;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Makes the folder `name`, or takes the one that is there, with the node's owner, mode and attributes. Its times are
/// for [`times`] once its content is there.
pub fn folder(parent: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<OwnedFd, Errno> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let fd = openat(parent, name, FOLDER, Mode::empty())?;
    attributes(fd.as_fd(), node)?;
    Ok(fd)
}

/// Makes the regular file `name`, which must not be there, with `content`; fails where that isn't as long as it should
/// be.
pub fn file(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    node: &Node,
    size: u64,
    content: &mut impl Read,
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
    let copied = io::copy(&mut content.take(size), &mut file)?;
    if copied != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    attributes(file.as_fd(), node)?;
    futimens(&file, &modified(node))?;
    Ok(())
}

/// Makes a link, pipe or device `name`, which must not be there.
pub fn special(parent: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<(), Errno> {
    // The umask of the process would take bits away, and a mode can't be set later without following links.
    let mode = Mode::from_raw_mode(node.mode);
    let make = |kind, device| mknodat(parent, name, kind, mode, device);
    match &node.kind {
        Kind::Link(target) => symlinkat(target, parent, name)?,
        Kind::Pipe => make(FileType::Fifo, 0)?,
        Kind::Character(device) => make(FileType::CharacterDevice, *device)?,
        Kind::Block(device) => make(FileType::BlockDevice, *device)?,
        Kind::Folder | Kind::File(_) | Kind::HardLink(_) => return Err(Errno::INVAL),
    }
    let (uid, gid) = owner(node);
    chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    utimensat(parent, name, &modified(node), AtFlags::SYMLINK_NOFOLLOW)
}

/// Gives a file a second name, which must not be there. A link gets the name itself.
pub fn hard_link(
    from: BorrowedFd<'_>,
    old: &OsStr,
    to: BorrowedFd<'_>,
    new: &OsStr,
) -> Result<(), Errno> {
    linkat(from, old, to, new, AtFlags::empty())
}

/// Sets a folder's modification time.
pub fn times(folder: BorrowedFd<'_>, node: &Node) -> Result<(), Errno> {
    futimens(folder, &modified(node))
}

/// Whether `name` is a folder; none if nothing is there.
pub fn is_folder(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Option<bool>, Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(
            FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        )),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Removes `name` and all below it, following nothing: neither links nor, by an error, into what is mounted there.
///
/// Folders nested deeper than the descriptors reach are brought up next to `name` and removed from there, so depth is no
/// defence against removal.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let top = inside(parent, name)?;
    empty(top.as_fd(), top.as_fd(), &mut 0, 0)?;
    unlinkat(parent, name, AtFlags::REMOVEDIR)?;
    Ok(())
}

/// The folder `name` on the same mount: what is mounted in a tree is never part of it.
fn inside(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    openat2(folder, name, FOLDER, Mode::empty(), resolve)
}

/// How deep [`empty`] goes before it brings a folder up.
const REACH: usize = 64;

fn empty(
    top: BorrowedFd<'_>,
    folder: BorrowedFd<'_>,
    moved: &mut u64,
    depth: usize,
) -> io::Result<()> {
    // Again until nothing is left: folders that were brought up appear in the top one.
    loop {
        let mut found = false;
        for entry in rustix::fs::Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            found = true;
            match unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(errno) => return Err(errno.into()),
            }
            if depth == REACH {
                *moved += 1;
                rustix::fs::renameat(folder, name, top, format!(".gantry-removing-{moved}"))?;
                continue;
            }
            let inner = inside(folder, OsStr::from_bytes(name.to_bytes()))?;
            empty(top, inner.as_fd(), moved, depth + 1)?;
            match unlinkat(folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if !found {
            return Ok(());
        }
    }
}

/// Removes the tree at `path` of the host; its parent is trusted, its content isn't. Nothing there is no error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match openat(rustix::fs::CWD, parent, FOLDER, Mode::empty()) {
        Ok(parent) => remove(parent.as_fd(), name),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens the folder `name` to put things into.
pub fn open_folder(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    below(parent, name, FOLDER)
}

fn attributes(fd: BorrowedFd<'_>, node: &Node) -> Result<(), Errno> {
    let (uid, gid) = owner(node);
    // In this order: a change of owner takes setuid bits and capabilities away.
    fchown(fd, uid, gid)?;
    fchmod(fd, Mode::from_raw_mode(node.mode))?;
    for (name, value) in &node.xattrs {
        match fsetxattr(fd, name.as_os_str(), value, XattrFlags::empty()) {
            // A file system without them (a volume on something odd): the content matters more.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn owner(node: &Node) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)))
}

fn modified(node: &Node) -> Timestamps {
    let (seconds, nanoseconds) = node.mtime;
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: i64::from(nanoseconds.min(999_999_999)),
        },
    }
}
