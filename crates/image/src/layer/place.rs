//! One entry to its place.

use std::io::{BufRead, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::tar::{Entry, Kind, TarReader};
use super::tree::{InnerPath, Vacated, hide_below, is_whiteout, printable};
use super::unpack::{Unpacking, times};
use crate::LayerError;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

pub(super) fn place<R: BufRead>(
    unpacking: &mut Unpacking,
    entry: &Entry,
    path: &InnerPath,
    reader: &mut TarReader<R>,
) -> Result<(), LayerError> {
    let Some((dir, name)) = path.split() else {
        return place_root(unpacking, entry, path);
    };
    let failed = |doing| move |error: Errno| entry_error(doing, path, error);
    let parent = unpacking
        .tree
        .folder(dir)
        .map_err(failed("make the folder of"))?;
    if name.starts_with(WHITEOUT) {
        return place_whiteout(&parent, name, path);
    }
    match entry.kind {
        Kind::File => place_file(unpacking, entry, path, &parent, name, reader),
        Kind::Directory => place_folder(unpacking, entry, path, &parent, name),
        Kind::HardLink => place_link(unpacking, entry, path, &parent, name),
        Kind::Symlink => {
            create(unpacking, path, &parent, name, |parent, name| {
                rustix::fs::symlinkat(&entry.link[..], parent, name)
            })?;
            set_by_name(entry, path, &parent, name)
        }
        Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
            let kind = match entry.kind {
                Kind::CharDevice => FileType::CharacterDevice,
                Kind::BlockDevice => FileType::BlockDevice,
                _ => FileType::Fifo,
            };
            let device = rustix::fs::makedev(entry.device.0, entry.device.1);
            create(unpacking, path, &parent, name, |parent, name| {
                rustix::fs::mknodat(parent, name, kind, Mode::RUSR, device)
            })?;
            set_by_name(entry, path, &parent, name)
        }
    }
}

fn entry_error(doing: &'static str, path: &InnerPath, error: Errno) -> LayerError {
    match error {
        Errno::NOSPC | Errno::DQUOT => LayerError::NoSpace,
        error => LayerError::Entry {
            doing,
            name: path.printable(),
            source: error.into(),
        },
    }
}

fn place_root(
    unpacking: &mut Unpacking,
    entry: &Entry,
    path: &InnerPath,
) -> Result<(), LayerError> {
    if entry.kind != Kind::Directory {
        return Err(LayerError::Malformed("an entry without a name"));
    }
    let root = Rc::clone(unpacking.tree.root());
    set_by_fd(entry, path, &root)?;
    unpacking.folder_time(path, entry.mtime)
}

/// A whiteout speaks of the layers below only: what this layer has by the name stays, but hides what is below.
fn place_whiteout(parent: &OwnedFd, name: &[u8], path: &InnerPath) -> Result<(), LayerError> {
    let failed = |error| entry_error("make the whiteout", path, error);
    if name == OPAQUE {
        return hide_below(parent).map_err(failed);
    }
    let gone = &name[WHITEOUT.len()..];
    if matches!(gone, b"" | b"." | b"..") {
        return Err(LayerError::Escapes {
            name: path.printable(),
        });
    }
    if gone.starts_with(WHITEOUT) {
        // AUFS's own bookkeeping.
        return Ok(());
    }
    match rustix::fs::mknodat(parent, gone, FileType::CharacterDevice, Mode::empty(), 0) {
        Err(Errno::EXIST) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(parent, gone, flags, Mode::empty()) {
                Ok(folder) => hide_below(&folder).map_err(failed),
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(()),
                Err(error) => Err(failed(error)),
            }
        }
        result => result.map_err(failed),
    }
}

/// Makes something; where the name is taken, the later entry wins.
fn create<T>(
    unpacking: &mut Unpacking,
    path: &InnerPath,
    parent: &OwnedFd,
    name: &[u8],
    make: impl Fn(&OwnedFd, &[u8]) -> Result<T, Errno>,
) -> Result<T, LayerError> {
    let failed = |error| entry_error("make", path, error);
    match make(parent, name) {
        Err(Errno::EXIST) => {
            unpacking
                .tree
                .vacate(parent, name, false)
                .map_err(|error| entry_error("replace", path, error))?;
            make(parent, name).map_err(failed)
        }
        result => result.map_err(failed),
    }
}

fn place_file<R: BufRead>(
    unpacking: &mut Unpacking,
    entry: &Entry,
    path: &InnerPath,
    parent: &OwnedFd,
    name: &[u8],
    reader: &mut TarReader<R>,
) -> Result<(), LayerError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = create(unpacking, path, parent, name, |parent, name| {
        rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
    })?;
    let mut file = std::fs::File::from(fd);
    let failed = |source: std::io::Error| match source.raw_os_error().map(Errno::from_raw_os_error)
    {
        Some(error) => entry_error("write", path, error),
        None => LayerError::Entry {
            doing: "write",
            name: path.printable(),
            source,
        },
    };
    match &entry.sparse {
        None => copy(unpacking, reader, u64::MAX, |piece| {
            file.write_all(piece).map_err(failed)
        })?,
        Some(segments) => {
            file.set_len(entry.size).map_err(failed)?;
            for segment in segments {
                let mut at = segment.offset;
                copy(unpacking, reader, segment.len, |piece| {
                    std::os::unix::fs::FileExt::write_all_at(&file, piece, at).map_err(failed)?;
                    at += piece.len() as u64;
                    Ok(())
                })?;
            }
        }
    }
    unpacking.add_size(entry.size);
    let fd = OwnedFd::from(file);
    set_by_fd(entry, path, &fd)?;
    rustix::fs::futimens(&fd, &times(entry.mtime))
        .map_err(|error| entry_error("set the time of", path, error))
}

/// Hands up to `len` bytes of the entry's data on, piece by piece.
fn copy<R: BufRead>(
    unpacking: &mut Unpacking,
    reader: &mut TarReader<R>,
    len: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let mut left = len;
    while left > 0 {
        let piece = reader.data()?;
        if piece.is_empty() {
            break;
        }
        let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        take(piece)?;
        let done = piece.len();
        reader.consume(done);
        left -= done as u64;
        unpacking
            .space
            .written(unpacking.tree.root(), done as u64)
            .map_err(LayerError::stream)?;
    }
    Ok(())
}

fn place_folder(
    unpacking: &mut Unpacking,
    entry: &Entry,
    path: &InnerPath,
    parent: &OwnedFd,
    name: &[u8],
) -> Result<(), LayerError> {
    let failed = |doing| move |error| entry_error(doing, path, error);
    let mut hides = false;
    if let Err(error) = rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        if error != Errno::EXIST {
            return Err(failed("make")(error));
        }
        match unpacking
            .tree
            .vacate(parent, name, true)
            .map_err(failed("replace"))?
        {
            Vacated::Merge => {}
            Vacated::Removed { whiteout } => {
                hides = whiteout;
                rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(failed("make"))?;
            }
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed("open"))?;
    if hides {
        hide_below(&fd).map_err(failed("mark"))?;
    }
    set_by_fd(entry, path, &fd)?;
    unpacking
        .tree
        .remember(path.as_bytes().to_vec(), Rc::new(fd));
    unpacking.folder_time(path, entry.mtime)
}

fn place_link(
    unpacking: &mut Unpacking,
    entry: &Entry,
    path: &InnerPath,
    parent: &OwnedFd,
    name: &[u8],
) -> Result<(), LayerError> {
    let target = InnerPath::new(&entry.link)?;
    let missing = || LayerError::MissingTarget {
        name: path.printable(),
        target: printable(&entry.link),
    };
    let (dir, target_name) = target.split().ok_or_else(missing)?;
    let target_parent = match unpacking.tree.existing(dir) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(missing()),
        result => result.map_err(|error| entry_error("link", path, error))?,
    };
    if is_whiteout(&target_parent, target_name).unwrap_or(false) {
        return Err(missing());
    }
    let link = |parent: &OwnedFd, name: &[u8]| {
        rustix::fs::linkat(&*target_parent, target_name, parent, name, AtFlags::empty())
    };
    match create(unpacking, path, parent, name, link) {
        Err(LayerError::Entry { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(missing())
        }
        result => result,
    }
}

/// Owner before mode and capabilities, since changing the owner takes both away.
fn set_by_fd(entry: &Entry, path: &InnerPath, fd: &OwnedFd) -> Result<(), LayerError> {
    if entry.uid != 0 || entry.gid != 0 || entry.kind == Kind::Directory {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        rustix::fs::fchown(fd, Some(uid), Some(gid))
            .map_err(|error| entry_error("set the owner of", path, error))?;
    }
    set_xattrs(entry, path, |name, value| {
        rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
    })?;
    rustix::fs::fchmod(fd, Mode::from_raw_mode(entry.mode))
        .map_err(|error| entry_error("set the mode of", path, error))
}

/// For what can't or must not be opened: links, devices, pipes.
fn set_by_name(
    entry: &Entry,
    path: &InnerPath,
    parent: &OwnedFd,
    name: &[u8],
) -> Result<(), LayerError> {
    let failed = |doing| move |error| entry_error(doing, path, error);
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    rustix::fs::chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .map_err(failed("set the owner of"))?;
    if !entry.xattrs.is_empty() {
        let mut by_fd = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
        by_fd.extend_from_slice(name);
        set_xattrs(entry, path, |name, value| {
            rustix::fs::lsetxattr(&by_fd[..], name, value, XattrFlags::empty())
        })?;
    }
    if entry.kind != Kind::Symlink {
        rustix::fs::chmodat(
            parent,
            name,
            Mode::from_raw_mode(entry.mode),
            AtFlags::empty(),
        )
        .map_err(failed("set the mode of"))?;
    }
    rustix::fs::utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("set the time of"))
}

fn set_xattrs(
    entry: &Entry,
    path: &InnerPath,
    set: impl Fn(&[u8], &[u8]) -> Result<(), Errno>,
) -> Result<(), LayerError> {
    for (name, value) in &entry.xattrs {
        // Overlayfs's own: a layer must not redirect into, or borrow data from, other layers.
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        match set(name, value) {
            // As Docker: a file system without them, or a kind of file that can't have them.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(entry_error("set an extended attribute of", path, error)),
        }
    }
    Ok(())
}
