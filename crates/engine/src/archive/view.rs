//! A container's file system as the container sees it, for one piece of work.
//!
//! A thread of its own takes a mount namespace of its own, puts the root together, makes it the namespace's root and
//! lets go of everything else: the work then has no path to the host left, and holds nobody else's mounts. All of it
//! ends with the thread, however that ends.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_runtime::rootfs::{self, Overlay};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_bind, mount_change, mount_remount, move_mount, open_tree, unmount,
};

use super::error::{ArchiveError, At as _};
use super::root::Root;
use super::sys;

/// What the root is made of.
#[derive(Debug, Clone)]
pub enum Base {
    /// The root of a running container, mounted on the host.
    Mounted(PathBuf),
    /// The layers of a container that doesn't run, or of an image, lowest first; what is written is forgotten.
    Layers(Vec<PathBuf>),
    /// The layers of a container that doesn't run, to be written to. Its turn must be held: two mounts that write
    /// to one folder destroy it.
    Writable {
        /// Image layers, lowest first.
        lower: Vec<PathBuf>,
        /// What the container wrote.
        upper: PathBuf,
        /// The kernel's scratch folder.
        work: PathBuf,
    },
}

/// A bind or volume.
#[derive(Debug, Clone)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// What of the source, resolved within it; empty for the whole.
    pub part: PathBuf,
    /// In the container.
    pub destination: PathBuf,
    /// Whether the container can't write.
    pub read_only: bool,
    /// Whether mounts below the source come along.
    pub recursive: bool,
}

/// A container's file system, to be put together.
#[derive(Debug, Clone)]
pub struct View {
    /// The root.
    pub base: Base,
    /// What is mounted in it, outer ones first.
    pub mounts: Vec<Mount>,
    /// An empty folder of the host to build it on; any number of views share it.
    pub scratch: PathBuf,
}

impl View {
    /// Builds the view and does `work` in it. Blocks.
    pub fn with<T, F>(self, work: F) -> Result<T, ArchiveError>
    where
        T: Send,
        F: FnOnce(&Root) -> Result<T, ArchiveError> + Send,
    {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("view".to_owned())
                .spawn_scoped(scope, || {
                    let root = self.build()?;
                    work(&root)
                })
                .at("can't look into the container", "/")?;
            thread.join().unwrap_or_else(|_| {
                Err(io::Error::other("the copying thread failed"))
                    .at("can't look into the container", "/")
            })
        })
    }

    fn build(&self) -> Result<Root, ArchiveError> {
        sys::own_mounts().at("can't leave the mount namespace", &self.scratch)?;
        // Modes of new files are set by name only; see `place::special`.
        rustix::process::umask(Mode::empty());
        mount_change(
            "/",
            MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
        )
        .at("can't cut off the mounts", &self.scratch)?;
        let merged = self.mount_root()?;
        let root = Root::open(&merged).at("can't open", &self.scratch)?;
        for mount in &self.mounts {
            self.attach(&root, mount)?;
        }
        enter(&merged).at("can't enter", &self.scratch)?;
        Root::open(Path::new("/")).at("can't open", &self.scratch)
    }

    fn mount_root(&self) -> Result<PathBuf, ArchiveError> {
        let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", &self.scratch, "tmpfs", flags, c"mode=0700")
            .at("can't mount at", &self.scratch)?;
        let at = |name: &str| self.scratch.join(name);
        let merged = at("root");
        std::fs::create_dir(&merged).at("can't make a folder in", &self.scratch)?;
        let mut read_only = MountFlags::empty();
        match &self.base {
            Base::Mounted(path) => {
                mount_bind(path, &merged).at("can't bind to", &self.scratch)?;
                read_only = was_read_only(path)?;
            }
            Base::Layers(lower) => rootfs::mount(&Overlay {
                lower,
                upper: &at("upper"),
                work: &at("work"),
                merged: &merged,
                volatile: false,
            })?,
            Base::Writable { lower, upper, work } => rootfs::mount(&Overlay {
                lower,
                upper,
                work,
                merged: &merged,
                volatile: false,
            })?,
        }
        mount_remount(&merged, MountFlags::BIND | flags | read_only, c"")
            .at("can't restrict", &self.scratch)?;
        Ok(merged)
    }

    fn attach(&self, root: &Root, mount: &Mount) -> Result<(), ArchiveError> {
        let tree = match source(mount) {
            Ok(tree) => tree,
            // A bind whose source is gone: the container couldn't start either, but its other files are there.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => {
                return Err(errno).at("can't reach what is mounted at", &mount.destination);
            }
        };
        let stat = rustix::fs::fstat(&tree).at("can't look at", &mount.destination)?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let target = match self.target(root, &mount.destination, is_folder) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ROFS) => return Ok(()),
            Err(errno) => return Err(errno).at("can't mount at", &mount.destination),
        };
        move_mount(
            &tree,
            c"",
            &target,
            c"",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
        )
        .at("can't mount at", &mount.destination)?;
        let mut flags =
            MountFlags::BIND | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        if mount.read_only {
            flags |= MountFlags::RDONLY;
        }
        let name = format!("/proc/self/fd/{}", tree.as_raw_fd());
        mount_remount(name, flags, c"").at("can't restrict the mount at", &mount.destination)
    }

    /// Where to mount: made where it is missing, as at the container's start. A running container has it.
    fn target(&self, root: &Root, path: &Path, is_folder: bool) -> Result<OwnedFd, Errno> {
        match root.open_at(path, OFlags::PATH) {
            Err(Errno::NOENT) if !matches!(self.base, Base::Mounted(_)) => {}
            other => return other,
        }
        if is_folder {
            return root.make_folders(path);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::NOENT);
        };
        let parent = root.make_folders(parent)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(parent.as_fd(), name, flags, Mode::from_raw_mode(0o644))?;
        root.open_at(path, OFlags::PATH)
    }
}

/// A copy of what is mounted. A container can write to its volumes, links in them included, so a part of one is looked
/// up within it.
fn source(mount: &Mount) -> Result<OwnedFd, Errno> {
    if !mount.part.as_os_str().is_empty() {
        return Root::open(&mount.source)?.detached(&mount.part, mount.recursive);
    }
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if mount.recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, &mount.source, flags)
}

fn was_read_only(path: &Path) -> Result<MountFlags, ArchiveError> {
    let disk = rustix::fs::statvfs(path).at("can't look at", path)?;
    let read_only = disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    Ok(if read_only {
        MountFlags::RDONLY
    } else {
        MountFlags::empty()
    })
}

/// Makes `path` the root of the thread and lets go of all that was mounted outside it.
fn enter(path: &Path) -> Result<(), Errno> {
    let folder = openat(
        CWD,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::process::fchdir(&folder)?;
    match rustix::process::pivot_root(c".", c".") {
        Ok(()) => unmount(c".", UnmountFlags::DETACH)?,
        // The host's root is the initramfs, which can't be pivoted from.
        Err(Errno::INVAL) => rustix::process::chroot(c".")?,
        Err(errno) => return Err(errno),
    }
    rustix::process::chdir(c"/")
}
