//! Files of the host that a container may get hold of.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use crate::sys;

/// A file on a read-only mount of its own, which nobody can reach: neither the file nor its owner and mode can be changed
/// by whoever gets the descriptor.
pub(super) fn sealed(path: &Path) -> io::Result<OwnedFd> {
    use rustix::mount::OpenTreeFlags;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, path, flags)?;
    sys::make_read_only(tree.as_raw_fd())?;
    Ok(tree)
}

const NULL: &str = "/dev/null";

/// The host's null device, for a container that has spoiled its own.
pub(super) fn null_of_host() -> io::Result<OwnedFd> {
    let tree = sealed(Path::new(NULL))?;
    let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
    Ok(rustix::fs::open(
        path,
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// The null device of the container that this process has entered; `spare` where something else is in its place. Root in
/// the container may have put a link there, which must not be followed by one who holds all capabilities: to a file of
/// `/proc` that checks them only when it is opened, the process would get a descriptor that it could not open itself.
pub(super) fn null_in_container(spare: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = ResolveFlags::NO_SYMLINKS;
    let opened = rustix::fs::openat2(rustix::fs::CWD, NULL, flags, Mode::empty(), resolve);
    match opened {
        Ok(null) if is_null(&null)? => Ok(null),
        _ => spare.try_clone(),
    }
}

fn is_null(file: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(file)?;
    let number = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    Ok(FileType::from_raw_mode(stat.st_mode).is_char_device() && number == (1, 3))
}
