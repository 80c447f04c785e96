//! One file of any kind: what a tar entry and a file on disk have in common.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Dev, FileType, OFlags, Stat, fgetxattr, flistxattr, flistxattr_query, fstat, statat,
};
use rustix::io::Errno;

use super::root::{below, link_target};

/// Attributes of one file take at most this much, in bytes: the kernel's own bound for a list and for a value.
const XATTRS: usize = 64 << 10;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file of so many bytes.
    File(u64),
    /// A symbolic link.
    Link(PathBuf),
    /// Another name of an earlier file, named relative to the base of the tree.
    HardLink(PathBuf),
    /// A named pipe.
    Pipe,
    /// A character device.
    Character(Dev),
    /// A block device.
    Block(Dev),
}

/// A file's kind and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time: seconds since the epoch, and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes that travel: see [`travels`].
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// Whether an extended attribute is the file's own (`user.*`, and capabilities), rather than overlayfs' or a policy's.
pub fn travels(name: &OsStr) -> bool {
    name == "security.capability" || name.as_bytes().starts_with(b"user.")
}

/// A file that was found: what it is, and the file itself where it can be read.
#[derive(Debug)]
pub struct Found {
    /// Kind and attributes.
    pub node: Node,
    /// A folder or regular file, open for reading.
    pub fd: Option<OwnedFd>,
    /// Names it: device and inode.
    pub identity: (u64, u64),
    /// Whether it has further names.
    pub has_more_names: bool,
}

/// Reading must never wait for a writer, become our terminal, or follow.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

impl Found {
    /// What `name` in `folder` is. None for sockets, which mean nothing elsewhere, and for what changed its kind
    /// while it was looked at.
    pub fn at(folder: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Found>, Errno> {
        let mut stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let mut fd = None;
        if matches!(file_type, FileType::Directory | FileType::RegularFile) {
            let opened = below(folder, name, READ)?;
            stat = fstat(&opened)?;
            if FileType::from_raw_mode(stat.st_mode) != file_type {
                return Ok(None);
            }
            fd = Some(opened);
        }
        let kind = match file_type {
            FileType::Directory => Kind::Folder,
            FileType::RegularFile => Kind::File(u64::try_from(stat.st_size).unwrap_or(0)),
            FileType::Symlink => {
                let link = below(folder, name, OFlags::PATH | OFlags::CLOEXEC)?;
                match link_target(link.as_fd()) {
                    Ok(target) => Kind::Link(target),
                    Err(Errno::INVAL | Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(errno),
                }
            }
            FileType::Fifo => Kind::Pipe,
            FileType::CharacterDevice => Kind::Character(stat.st_rdev),
            FileType::BlockDevice => Kind::Block(stat.st_rdev),
            FileType::Socket | FileType::Unknown => return Ok(None),
        };
        let xattrs = match &fd {
            // `user.*` exists on these two only, and so do capabilities.
            Some(fd) => xattrs(fd.as_fd())?,
            None => BTreeMap::new(),
        };
        let node = Node {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: mtime(&stat),
            xattrs,
        };
        Ok(Some(Found {
            node,
            fd,
            identity: (stat.st_dev, stat.st_ino),
            has_more_names: stat.st_nlink > 1,
        }))
    }
}

pub(crate) fn mtime(stat: &Stat) -> (i64, u32) {
    (
        stat.st_mtime,
        u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    )
}

fn xattrs(fd: BorrowedFd<'_>) -> Result<BTreeMap<OsString, Vec<u8>>, Errno> {
    let length = match flistxattr_query(fd) {
        Ok(length) => length.min(XATTRS),
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno),
    };
    if length == 0 {
        return Ok(BTreeMap::new());
    }
    let mut names = vec![0_u8; length];
    match flistxattr(fd, &mut names[..]) {
        Ok(length) => names.truncate(length),
        // Somebody adds some right now.
        Err(Errno::RANGE) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(errno),
    }
    let mut found = BTreeMap::new();
    for name in names.split(|byte| *byte == 0) {
        let name = OsStr::from_bytes(name);
        if name.is_empty() || !travels(name) {
            continue;
        }
        let mut value = vec![0_u8; XATTRS];
        match fgetxattr(fd, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                found.insert(name.to_owned(), value);
            }
            // Taken away meanwhile.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}
