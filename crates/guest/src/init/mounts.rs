//! Mounts of the kernel's file systems, and of the few folders that the machine writes to.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, mount};

use super::error::{InitError, file};

const QUIET: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);
const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Mounts `what`, a file system of `kind`, at `at`, which is made if need be.
pub fn mount_at(
    what: &str,
    at: &Path,
    kind: &str,
    flags: MountFlags,
    data: &str,
) -> Result<(), InitError> {
    let failed = |source| InitError::Mount {
        what: format!("{kind} {what}"),
        at: at.to_owned(),
        source,
    };
    make_folder(at)?;
    let data = CString::new(data).map_err(|error| failed(io::Error::other(error)))?;
    mount(what, at, kind, flags, data.as_c_str()).map_err(|error| failed(error.into()))
}

/// Makes a folder and those around it.
pub fn make_folder(path: &Path) -> Result<(), InitError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(file("make the folder", path))
}

/// What init needs to see anything at all.
pub fn early() -> Result<(), InitError> {
    mount_at(
        "devtmpfs",
        Path::new("/dev"),
        "devtmpfs",
        MountFlags::NOSUID,
        "mode=755",
    )?;
    mount_at("proc", Path::new("/proc"), "proc", QUIET, "")?;
    mount_at("sysfs", Path::new("/sys"), "sysfs", QUIET, "")
}

/// What programs expect, once the root is in place.
pub fn late() -> Result<(), InitError> {
    let own =
        |path: &str, flags, data: &str| mount_at("tmpfs", Path::new(path), "tmpfs", flags, data);
    own("/run", NO_DEVICES, "mode=755,size=20%")?;
    own("/tmp", NO_DEVICES, "mode=1777")?;
    own("/dev/shm", NO_DEVICES, "mode=1777")?;
    mount_at(
        "devpts",
        Path::new("/dev/pts"),
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "gid=5,mode=620,ptmxmode=666",
    )?;
    mount_at("mqueue", Path::new("/dev/mqueue"), "mqueue", QUIET, "")?;
    mount_at("bpf", Path::new("/sys/fs/bpf"), "bpf", QUIET, "mode=700")?;
    make_folder(Path::new("/run/gantry"))?;
    make_folder(Path::new("/run/lock"))?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, link).map_err(file("link", link))?;
    }
    loading_nodes()
}

/// Devices that load their module when they are opened: a container may be given them before anything has.
fn loading_nodes() -> Result<(), InitError> {
    make_folder(Path::new("/dev/net"))?;
    for (path, mode, minor) in [
        ("/dev/fuse", 0o666, 229),
        ("/dev/net/tun", 0o666, 200),
        ("/dev/loop-control", 0o660, 237),
    ] {
        match mknodat(
            CWD,
            path,
            FileType::CharacterDevice,
            Mode::from_raw_mode(mode),
            makedev(10, minor),
        ) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(file("make the device", path)(error.into())),
        }
    }
    Ok(())
}

/// Control groups: version 2 with every controller handed down to the groups of containers.
pub fn control_groups() -> Result<(), InitError> {
    let root = Path::new("/sys/fs/cgroup");
    mount_at(
        "cgroup2",
        root,
        "cgroup2",
        QUIET,
        "nsdelegate,memory_recursiveprot",
    )?;
    let list = root.join("cgroup.controllers");
    let controllers = fs::read_to_string(&list).map_err(file("read", &list))?;
    let enabled: Vec<String> = controllers
        .split_ascii_whitespace()
        .map(|name| format!("+{name}"))
        .collect();
    let subtree = root.join("cgroup.subtree_control");
    fs::write(&subtree, enabled.join(" ")).map_err(file("write", &subtree))
}
