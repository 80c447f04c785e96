//! What is mounted where, and taking it away.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::RootfsError;

const TABLE: &str = "/proc/self/mountinfo";

/// Whether something is mounted at exactly this path. A path that isn't there has nothing mounted.
///
/// # Errors
/// Where the path or the table of mounts can't be read.
pub fn is_mounted(path: &Path) -> Result<bool, RootfsError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match statx(CWD, path, flags, StatxFlags::empty()) {
        Ok(stat)
            if stat
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT) =>
        {
            Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        // A kernel before 5.8, or a mount whose root can't be looked at any more: the table knows both.
        _ => Ok(mount_points()?.iter().any(|point| point == path)),
    }
}

/// The mount points at or below `folder`, innermost first: the order in which they can be unmounted.
///
/// # Errors
/// Where the table of mounts can't be read.
pub fn mounted_below(folder: &Path) -> Result<Vec<PathBuf>, RootfsError> {
    let mut points: Vec<_> = mount_points()?
        .into_iter()
        .filter(|point| point.starts_with(folder))
        .collect();
    points.reverse();
    Ok(points)
}

/// Unmounts whatever is mounted at this path, however often. A mount that is still in use is detached: it vanishes
/// from the path at once and from the kernel when its last user ends. Nothing mounted, or no such path, is no error.
///
/// # Errors
/// [`RootfsError::Unmount`] where the kernel refuses even to detach.
pub fn unmount(path: &Path) -> Result<(), RootfsError> {
    // Mounts stack: a crash between two starts may have left more than one.
    loop {
        match rustix::mount::unmount(path, UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(_) => {
                match rustix::mount::unmount(path, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH) {
                    Ok(()) => {}
                    Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                    Err(errno) => {
                        return Err(RootfsError::Unmount {
                            path: path.to_owned(),
                            source: errno.into(),
                        });
                    }
                }
            }
        }
    }
}

/// Unmounts all that is mounted below `folder`, except where `keep` says so: what a crash left behind. Goes on after
/// a failure and returns every one.
pub fn unmount_below(folder: &Path, keep: impl Fn(&Path) -> bool) -> Vec<RootfsError> {
    let points = match mounted_below(folder) {
        Ok(points) => points,
        Err(error) => return vec![error],
    };
    points
        .into_iter()
        .filter(|point| !keep(point))
        .filter_map(|point| unmount(&point).err())
        .collect()
}

fn mount_points() -> Result<Vec<PathBuf>, RootfsError> {
    let table = fs::read(TABLE).map_err(|source| RootfsError::Read {
        path: TABLE.into(),
        source,
    })?;
    Ok(parse_mount_points(&table))
}

/// The fifth field of each line (`proc_pid_mountinfo(5)`), oldest mount first.
pub(super) fn parse_mount_points(table: &[u8]) -> Vec<PathBuf> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .collect()
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
pub(crate) fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let code = (*byte == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(octal);
        if let Some(code) = code {
            plain.push(code);
            rest = &after[3..];
        } else {
            plain.push(*byte);
            rest = after;
        }
    }
    OsString::from_vec(plain)
}

fn octal(digits: &[u8]) -> Option<u8> {
    OsStr::from_bytes(digits)
        .to_str()
        .and_then(|digits| u8::from_str_radix(digits, 8).ok())
}
