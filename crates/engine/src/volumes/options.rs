//! The `local` driver's options: `type`, `o` and `device`, as for mount(8).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::path::Path;

use gantry_runtime::rootfs::is_mounted;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount,
};

use super::{VolumeError, VolumeName};

/// What to mount as the volume's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    kind: String,
    device: String,
    words: String,
}

impl Options {
    /// Refuses options that the driver doesn't have. `size` needs a file system with quotas, which we don't set up.
    pub fn check(name: &str, given: &BTreeMap<String, String>) -> Result<(), VolumeError> {
        for option in given.keys() {
            if !["type", "o", "device"].contains(&option.as_str()) {
                return Err(VolumeError::UnknownOption {
                    name: name.to_owned(),
                    option: option.clone(),
                });
            }
        }
        Options::of(given).map(|_| ())
    }

    /// None where the content is just the folder.
    pub fn of(given: &BTreeMap<String, String>) -> Result<Option<Options>, VolumeError> {
        let option = |key: &str| given.get(key).cloned().unwrap_or_default();
        let options = Options {
            kind: option("type"),
            device: option("device"),
            words: option("o"),
        };
        match (
            options.kind.is_empty(),
            options.device.is_empty(),
            options.words.is_empty(),
        ) {
            (true, true, true) => Ok(None),
            (_, true, _) => Err(VolumeError::MissingOption("device")),
            (true, ..) => Err(VolumeError::MissingOption("type")),
            _ => Ok(Some(options)),
        }
    }

    /// Mounts it at `path`, unless it is mounted.
    pub fn mount(&self, name: &VolumeName, path: &Path) -> Result<(), VolumeError> {
        let mounted = is_mounted(path).map_err(|error| VolumeError::Io {
            name: name.to_string(),
            what: "see whether it is mounted",
            source: io::Error::other(error),
        })?;
        if mounted {
            return Ok(());
        }
        self.mount_now(path).map_err(|source| VolumeError::Mount {
            device: self.device.clone(),
            path: path.to_owned(),
            options: self.words.clone(),
            source,
        })
    }

    fn mount_now(&self, path: &Path) -> io::Result<()> {
        let (flags, propagation, data) = parse(&self.words);
        let data = CString::new(data)?;
        mount(
            self.device.as_str(),
            path,
            self.kind.as_str(),
            flags,
            data.as_c_str(),
        )?;
        // A bind takes no other flag at first, and propagation is a call of its own.
        let finish = || -> io::Result<()> {
            let more = flags - MountFlags::REC;
            if flags.contains(MountFlags::BIND) && more != MountFlags::BIND {
                mount_remount(path, more, c"")?;
            }
            if !propagation.is_empty() {
                mount_change(path, propagation)?;
            }
            Ok(())
        };
        finish().inspect_err(|_| {
            if let Err(error) = rustix::mount::unmount(path, UnmountFlags::DETACH) {
                tracing::warn!(path = %path.display(), %error, "can't undo a volume's mount");
            }
        })
    }
}

/// Takes mount(8)'s words apart into flags and what the file system itself reads.
fn parse(words: &str) -> (MountFlags, MountPropagationFlags, String) {
    let mut flags = MountFlags::empty();
    let mut propagation = MountPropagationFlags::empty();
    let mut data = Vec::new();
    for word in words.split(',').filter(|word| !word.is_empty()) {
        match word {
            "bind" => flags |= MountFlags::BIND,
            "rbind" => flags |= MountFlags::BIND | MountFlags::REC,
            "ro" => flags |= MountFlags::RDONLY,
            "rw" => flags -= MountFlags::RDONLY,
            "nosuid" => flags |= MountFlags::NOSUID,
            "suid" => flags -= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "dev" => flags -= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "exec" => flags -= MountFlags::NOEXEC,
            "noatime" => flags |= MountFlags::NOATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            "defaults" => {}
            "shared" => propagation |= MountPropagationFlags::SHARED,
            "rshared" => propagation |= MountPropagationFlags::SHARED | MountPropagationFlags::REC,
            "slave" => propagation |= MountPropagationFlags::DOWNSTREAM,
            "rslave" => {
                propagation |= MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            }
            "private" => propagation |= MountPropagationFlags::PRIVATE,
            "rprivate" => {
                propagation |= MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            }
            other => data.push(other),
        }
    }
    (flags, propagation, data.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn flags_are_told_from_the_file_systems_own_words() {
        let (flags, propagation, data) = parse("bind,ro,rslave,size=1m,,mode=0700,rw,noexec");
        assert_eq!(flags, MountFlags::BIND | MountFlags::NOEXEC);
        assert_eq!(
            propagation,
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC
        );
        assert_eq!(data, "size=1m,mode=0700");
    }

    #[test]
    fn options_must_make_sense_together() {
        let check = |pairs: &[(&str, &str)]| {
            Options::check("v1", &options(pairs)).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[("type", "tmpfs"), ("device", "tmpfs")]), Ok(()));
        assert_eq!(
            check(&[("type", "tmpfs")]),
            Err("missing required option: \"device\"".to_owned())
        );
        assert_eq!(
            check(&[("device", "/x")]),
            Err("missing required option: \"type\"".to_owned())
        );
        assert_eq!(
            check(&[("colour", "red")]),
            Err("create v1: invalid option: \"colour\"".to_owned())
        );
    }
}
