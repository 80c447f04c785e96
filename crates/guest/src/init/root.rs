//! The root: a small tmpfs that holds mount points and `/etc`, with the image's files, read-only, at `/usr`.
//!
//! It isn't the image itself, since the folders that the host shares are mounted at their own paths, and a read-only
//! file system has no place for them; and no overlay, which would lie below every file that the engine opens. Once all
//! mount points are made, the tmpfs is read-only as well.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount_change, mount_move, mount_remount};

use super::error::{InitError, file, kernel};
use super::mounts::{make_folder, mount_at};

const NEW: &str = "/root";

/// Mounts the image from `disk` and makes the new root out of it; `/dev`, `/proc` and `/sys` move along.
pub fn switch(disk: &Path) -> Result<(), InitError> {
    let new = Path::new(NEW);
    mount_at(
        "tmpfs",
        new,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=755,size=16m",
    )?;
    let usr = new.join("usr");
    mount_at(
        &disk.to_string_lossy(),
        &usr,
        "squashfs",
        MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOATIME,
        "",
    )?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        let link = new.join(name);
        symlink(Path::new("usr").join(name), &link).map_err(file("link", &link))?;
    }
    for name in [
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "root",
        "mnt",
        "opt",
        "srv",
        "home",
        "var/lib/gantry",
    ] {
        make_folder(&new.join(name))?;
    }
    symlink("../run", new.join("var/run")).map_err(file("link", "/var/run"))?;
    symlink("../tmp", new.join("var/tmp")).map_err(file("link", "/var/tmp"))?;
    let etc = new.join("etc");
    copy_tree(&usr.join("share/gantry/etc"), &etc)?;
    symlink("../run/gantry/resolv.conf", etc.join("resolv.conf"))
        .map_err(file("link", "/etc/resolv.conf"))?;
    symlink("../proc/self/mounts", etc.join("mtab")).map_err(file("link", "/etc/mtab"))?;

    for name in ["dev", "proc", "sys"] {
        let from = Path::new("/").join(name);
        mount_move(&from, new.join(name)).map_err(|error| moved(&from, error))?;
    }
    empty_initrd();
    rustix::process::chdir(NEW).map_err(kernel("enter the new root"))?;
    mount_move(NEW, "/").map_err(|error| moved(new, error))?;
    rustix::process::chroot(".").map_err(kernel("change the root"))?;
    rustix::process::chdir("/").map_err(kernel("enter the new root"))?;
    // What a container's namespace sees of later mounts is the engine's decision.
    mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    )
    .map_err(kernel("share the mounts"))
}

/// Nothing is written to the root any more: what would be is lost with the next start.
pub fn seal() -> Result<(), InitError> {
    mount_remount(
        "/",
        MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV,
        c"",
    )
    .map_err(kernel("make the root read-only"))
}

fn moved(from: &Path, error: rustix::io::Errno) -> InitError {
    InitError::Mount {
        what: from.display().to_string(),
        at: Path::new("the new root").to_owned(),
        source: error.into(),
    }
}

/// Gives back the memory of what only the initrd had; the running program stays, being open.
fn empty_initrd() {
    // They are in memory: what can't be removed costs some of it, and nothing else.
    let _ = fs::remove_dir_all("/modules");
    let _ = fs::remove_file("/init");
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), InitError> {
    make_folder(to)?;
    let entries = fs::read_dir(from).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    for entry in entries.map_err(file("read", from))? {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(file("copy", &source))?;
        }
    }
    Ok(())
}
