//! What a machine is to be: `machine.json`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::name::MachineName;

/// The version of `machine.json` that this program writes.
pub const VERSION: u32 = 1;
/// A larger file isn't ours.
const MAX_BYTES: u64 = 1024 * 1024;
/// One mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;
/// One gibibyte, in bytes.
pub const GIB: u64 = 1024 * MIB;
/// Less memory than this and the engine doesn't start.
pub const MIN_MEMORY: u64 = 256 * MIB;
/// Less disk than this and no image fits.
pub const MIN_DISK: u64 = GIB;
const MAX_DISK: u64 = 64 * 1024 * GIB;
const MAX_MEMORY: u64 = 4096 * GIB;
const MAX_CPUS: u32 = 512;
const MAX_SHARES: usize = 16;

/// What runs the virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// QEMU's system emulator.
    Qemu,
    /// vfkit on macOS' Virtualization framework.
    Vfkit,
    /// Hyper-V by PowerShell.
    HyperV,
    /// A distribution of WSL2.
    Wsl,
}

impl BackendKind {
    /// The back end of this system.
    pub const fn native() -> BackendKind {
        if cfg!(target_os = "macos") {
            BackendKind::Vfkit
        } else if cfg!(windows) {
            BackendKind::Wsl
        } else {
            BackendKind::Qemu
        }
    }

    /// Its name, as in `machine.json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            BackendKind::Qemu => "qemu",
            BackendKind::Vfkit => "vfkit",
            BackendKind::HyperV => "hyperv",
            BackendKind::Wsl => "wsl",
        }
    }
}

/// A machine as its owner wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The format's version.
    pub version: u32,
    /// The machine's name.
    pub name: MachineName,
    /// What runs it.
    pub backend: BackendKind,
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes, a whole number of MiB.
    pub memory: u64,
    /// The data disk's size in bytes, a whole number of MiB. It only grows.
    pub disk: u64,
    /// Folders of the host that the guest sees, each at the host's path.
    pub shares: Vec<PathBuf>,
    /// Minutes without work after which the machine pauses; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_idle: Option<u32>,
    /// The version of the guest image that ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_image: Option<String>,
}

/// Why a spec could not be read, written or taken.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file isn't a machine's.
    #[error("{} is not a machine's description: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The file is of a newer program.
    #[error(
        "{} has version {found}; this gantry knows version {VERSION}. Use the gantry that wrote it, or a newer one",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: u64,
    },
    /// A value is out of its bounds.
    #[error("{0}")]
    Bounds(String),
}

impl Spec {
    /// A machine with the defaults for a host with so many processors and so much memory in bytes.
    pub fn defaults(name: MachineName, host_cpus: u32, host_memory: u64) -> Spec {
        Spec {
            version: VERSION,
            name,
            backend: BackendKind::native(),
            cpus: host_cpus.clamp(1, 4),
            memory: (host_memory / 4).clamp(2 * GIB, 8 * GIB) / MIB * MIB,
            disk: 64 * GIB,
            shares: Vec::new(),
            pause_idle: None,
            last_image: None,
        }
    }

    /// Checks each value against its bounds.
    pub fn check(&self) -> Result<(), SpecError> {
        let bounds = |text: String| Err(SpecError::Bounds(text));
        if !(1..=MAX_CPUS).contains(&self.cpus) {
            return bounds(format!("{} CPUs: use 1 to {MAX_CPUS}", self.cpus));
        }
        if !(MIN_MEMORY..=MAX_MEMORY).contains(&self.memory) || !self.memory.is_multiple_of(MIB) {
            return bounds(format!(
                "{} bytes of memory: use {} MiB to {} GiB, in whole MiB",
                self.memory,
                MIN_MEMORY / MIB,
                MAX_MEMORY / GIB
            ));
        }
        if !(MIN_DISK..=MAX_DISK).contains(&self.disk) || !self.disk.is_multiple_of(MIB) {
            return bounds(format!(
                "{} bytes of disk: use {} GiB to {} TiB, in whole MiB",
                self.disk,
                MIN_DISK / GIB,
                MAX_DISK / GIB / 1024
            ));
        }
        if self.shares.len() > MAX_SHARES {
            return bounds(format!(
                "{} shared folders: at most {MAX_SHARES}",
                self.shares.len()
            ));
        }
        if self.pause_idle == Some(0) {
            return bounds("pausing after 0 minutes: use at least 1".to_owned());
        }
        self.shares.iter().try_for_each(|share| check_share(share))
    }

    /// Reads `path`. Bounds the size, refuses versions it doesn't know.
    pub fn load(path: &Path) -> Result<Spec, SpecError> {
        let file = |source| SpecError::File {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let malformed = |source| SpecError::Malformed {
            path: path.to_owned(),
            source,
        };
        let mut text = Vec::new();
        File::open(path)
            .and_then(|opened| opened.take(MAX_BYTES).read_to_end(&mut text))
            .map_err(file)?;
        // The version first: of another version nothing else is known.
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Versioned { version } = serde_json::from_slice(&text).map_err(malformed)?;
        if version != u64::from(VERSION) {
            return Err(SpecError::Version {
                path: path.to_owned(),
                found: version,
            });
        }
        let spec: Spec = serde_json::from_slice(&text).map_err(malformed)?;
        spec.check()?;
        Ok(spec)
    }

    /// Writes `path` so that it is either as before or new and whole, whatever happens meanwhile.
    pub fn save(&self, path: &Path) -> Result<(), SpecError> {
        self.check()?;
        let mut text = serde_json::to_vec_pretty(self).map_err(|source| SpecError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        text.push(b'\n');
        write_atomically(path, &text).map_err(|source| SpecError::File {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// Whether a folder can be shared: absolute, and without what command lines or the kernel's would take for something
/// else.
pub fn check_share(path: &Path) -> Result<(), SpecError> {
    let refuse = |why: &str| {
        Err(SpecError::Bounds(format!(
            "the folder {} can't be shared: {why}",
            path.display()
        )))
    };
    let Some(text) = path.to_str() else {
        return refuse("its path is not UTF-8");
    };
    if !path.is_absolute() {
        return refuse("its path is not absolute");
    }
    if text.len() > 512 {
        return refuse("its path is longer than 512 bytes");
    }
    if text.chars().any(char::is_control) {
        return refuse("its path holds control characters");
    }
    if path
        .components()
        .any(|part| matches!(part, std::path::Component::ParentDir))
    {
        return refuse("its path holds ..");
    }
    // In the guest it would hide the system itself.
    const SYSTEM: &[&str] = &[
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib64",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var",
        "/var/lib",
        "/var/lib/gantry",
    ];
    if SYSTEM.iter().any(|system| path == Path::new(system)) {
        return refuse("the guest has a folder of its own there");
    }
    Ok(())
}

/// Replaces `path`'s content as a whole: a file beside it, synced, renamed over it.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes names in `folder` lasting.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows makes names lasting by itself, and opens no folder for this.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            shares: vec![PathBuf::from(if cfg!(windows) {
                "C:\\Users\\me"
            } else {
                "/home/me"
            })],
            ..Spec::defaults(MachineName::default(), 16, 64 * GIB)
        }
    }

    #[test]
    fn defaults_follow_the_host() {
        let small = Spec::defaults(MachineName::default(), 1, GIB);
        assert_eq!((small.cpus, small.memory), (1, 2 * GIB));
        let large = Spec::defaults(MachineName::default(), 64, 512 * GIB);
        assert_eq!((large.cpus, large.memory), (4, 8 * GIB));
        small.check().unwrap();
        large.check().unwrap();
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine.json");
        spec().save(&path).unwrap();
        assert_eq!(Spec::load(&path).unwrap(), spec());
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine.json");
        std::fs::write(&path, r#"{"version":9,"what":"ever"}"#).unwrap();
        let error = Spec::load(&path).unwrap_err();
        assert!(
            matches!(error, SpecError::Version { found: 9, .. }),
            "{error}"
        );
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(
            Spec::load(&path),
            Err(SpecError::Malformed { .. })
        ));
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let change = |change: fn(&mut Spec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.check()
        };
        assert!(change(|_| ()).is_ok());
        assert!(change(|spec| spec.cpus = 0).is_err());
        assert!(change(|spec| spec.memory = 1).is_err());
        assert!(change(|spec| spec.memory += 1).is_err());
        assert!(change(|spec| spec.disk = u64::MAX).is_err());
        assert!(change(|spec| spec.pause_idle = Some(0)).is_err());
        assert!(change(|spec| spec.shares = vec!["relative".into()]).is_err());
        assert!(change(|spec| spec.shares = vec!["/a/../etc".into()]).is_err());
        assert!(change(|spec| spec.shares = vec!["/a\nb".into()]).is_err());
        assert!(change(|spec| spec.shares = vec!["/usr".into()]).is_err());
    }
}
