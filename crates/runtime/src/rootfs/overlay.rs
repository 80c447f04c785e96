//! Mounting an overlay with any number of layers.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::{RootfsError, is_mounted};

/// `fsconfig` takes strings of at most 255 bytes (`fs/fsopen.c`).
const LONGEST_STRING: usize = 255;
/// `mount(2)` takes one page of options.
const LONGEST_OPTIONS: usize = 4095;
/// Set on every overlay: the upper folder then holds plain files that can be copied as they are, and mounting again
/// after a crash is never refused because of an index left by the mount before.
const PLAIN: [(&str, &str); 3] = [
    ("index", "off"),
    ("redirect_dir", "off"),
    ("metacopy", "off"),
];

/// The folders of one overlay.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Unpacked image layers, lowest first (the order of an image's `diff_ids`). May be empty: then the root is empty.
    pub lower: &'a [PathBuf],
    /// What the container writes.
    pub upper: &'a Path,
    /// The kernel's scratch folder, on the same file system as `upper`.
    pub work: &'a Path,
    /// Where the root appears.
    pub merged: &'a Path,
    /// What is written needn't outlive this mount: nothing is synced, neither by programs nor at the unmount, which
    /// otherwise waits for the whole file system below. For containers that are removed when they end. Kernels before
    /// 5.10 don't know it and sync.
    pub volatile: bool,
}

/// Mounts the overlay; folders other than the layers are made where missing. Does nothing where it is mounted already.
///
/// Uses `fsopen`/`lowerdir+` (Linux 6.7), which knows no limit on the options' length; elsewhere `mount(2)` with each
/// folder named through `/proc/self/fd`, which is short whatever the paths are: about 220 layers, where Docker's
/// limit is 125.
///
/// # Errors
/// [`RootfsError::Layer`] where a layer is missing, [`RootfsError::Mount`] where the kernel refuses.
pub fn mount(overlay: &Overlay<'_>) -> Result<(), RootfsError> {
    if is_mounted(overlay.merged)? {
        return Ok(());
    }
    for path in [overlay.upper, overlay.work, overlay.merged] {
        make_folder(path)?;
    }
    if overlay.volatile {
        // The kernel's mark of an earlier volatile mount: it would refuse to mount over it.
        let mark = overlay.work.join("work/incompat");
        match fs::remove_dir_all(&mark) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(RootfsError::Folder { path: mark, source });
            }
            _ => {}
        }
    }
    let layers = Layers::open(overlay)?;
    // A kernel that doesn't know `lowerdir+` says so in its log each time: it is asked once.
    static KNOWS_OPTIONS_ONLY: AtomicBool = AtomicBool::new(false);
    let mounted = if KNOWS_OPTIONS_ONLY.load(Ordering::Relaxed) {
        mount_by_options(overlay, &layers)
    } else {
        mount_by_fsconfig(overlay, &layers).or_else(|failure| match failure {
            (step, errno @ (Errno::NOSYS | Errno::INVAL)) => {
                mount_by_options(overlay, &layers).inspect(|()| {
                    // Older kernels take any word, and look at it when all are there.
                    let is_unknown =
                        errno == Errno::NOSYS || matches!(step, "lowerdir+" | "create");
                    KNOWS_OPTIONS_ONLY.store(is_unknown, Ordering::Relaxed);
                })
            }
            other => Err(other),
        })
    };
    mounted
        .or_else(|failure| match failure {
            (_, Errno::INVAL) if overlay.volatile => mount_by_options(
                &Overlay {
                    volatile: false,
                    ..*overlay
                },
                &layers,
            ),
            other => Err(other),
        })
        .map_err(|(step, errno)| RootfsError::Mount {
            path: overlay.merged.to_owned(),
            layers: layers.topmost_first.len(),
            step,
            source: errno.into(),
        })
}

fn make_folder(path: &Path) -> Result<(), RootfsError> {
    fs::create_dir_all(path).map_err(|source| RootfsError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// The layers as the kernel wants them, each held open so that it has a short name.
pub(super) struct Layers {
    topmost_first: Vec<(PathBuf, OwnedFd)>,
    upper: OwnedFd,
    work: OwnedFd,
}

impl Layers {
    pub(super) fn open(overlay: &Overlay<'_>) -> Result<Self, RootfsError> {
        let mut paths: Vec<PathBuf> = Vec::with_capacity(overlay.lower.len());
        for path in overlay.lower.iter().rev() {
            // The kernel refuses a folder named twice. An equal layer further down adds nothing: whatever it holds or
            // hides, the one above holds and hides too.
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        if paths.is_empty() {
            let empty = overlay.work.with_file_name("empty");
            make_folder(&empty)?;
            paths.push(empty);
        }
        let open = |path: &Path| {
            rustix::fs::open(
                path,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| RootfsError::Layer {
                path: path.to_owned(),
                source: errno.into(),
            })
        };
        let topmost_first = paths
            .into_iter()
            .map(|path| open(&path).map(|fd| (path, fd)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            topmost_first,
            upper: open(overlay.upper)?,
            work: open(overlay.work)?,
        })
    }
}

/// A name of a folder that holds for this process, of a few bytes.
fn short_name(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

type Step<T> = Result<T, (&'static str, Errno)>;

fn mount_by_fsconfig(overlay: &Overlay<'_>, layers: &Layers) -> Step<()> {
    let at = |step: &'static str| move |errno| (step, errno);
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(at("fsopen"))?;
    // People read these names in /proc/mounts: the real one wherever it fits.
    let set = |key: &'static str, path: &Path, fd: &OwnedFd| {
        let short;
        let value = if path.as_os_str().len() > LONGEST_STRING {
            short = short_name(fd);
            &short
        } else {
            path
        };
        fsconfig_set_string(&context, key, value).map_err(at(key))
    };
    fsconfig_set_string(&context, "source", "overlay").map_err(at("source"))?;
    for (path, fd) in &layers.topmost_first {
        set("lowerdir+", path, fd)?;
    }
    set("upperdir", overlay.upper, &layers.upper)?;
    set("workdir", overlay.work, &layers.work)?;
    for (key, value) in PLAIN {
        fsconfig_set_string(&context, key, value).map_err(at(key))?;
    }
    if overlay.volatile {
        fsconfig_set_flag(&context, "volatile").map_err(at("volatile"))?;
    }
    fsconfig_create(&context).map_err(at("create"))?;
    let mounted = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
    .map_err(at("fsmount"))?;
    move_mount(
        &mounted,
        "",
        CWD,
        overlay.merged,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(at("move_mount"))
}

/// For kernels without `lowerdir+`.
pub(super) fn mount_by_options(overlay: &Overlay<'_>, layers: &Layers) -> Step<()> {
    let lower: Vec<_> = layers
        .topmost_first
        .iter()
        .map(|(_, fd)| short_name(fd).to_string_lossy().into_owned())
        .collect();
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        short_name(&layers.upper).display(),
        short_name(&layers.work).display()
    );
    for (key, value) in PLAIN {
        options.push_str(&format!(",{key}={value}"));
    }
    if overlay.volatile {
        options.push_str(",volatile");
    }
    if options.len() > LONGEST_OPTIONS {
        return Err(("options", Errno::TOOBIG));
    }
    let options = CString::new(options).map_err(|_| ("options", Errno::INVAL))?;
    rustix::mount::mount(
        "overlay",
        overlay.merged,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .map_err(|errno| ("mount", errno))
}
