//! What a run of a container has mounted on the host: its root, its volumes, and the parts of volumes that it asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_runtime::rootfs;
use rustix::fs::{CWD, FileType};
use rustix::mount::{MoveMountFlags, move_mount};

use super::shares::{Found, Shares};
use super::{Definition, MountKind, MountPoint, Record, dirs};
use crate::archive::place::remove_tree;
use crate::archive::root::Root;
use crate::error::{Error, Result};
use crate::state::Engine;
use crate::volumes::{self, Source, VolumeHold};

/// All is mounted.
#[derive(Debug)]
pub struct Mounted {
    /// The root.
    pub rootfs: PathBuf,
    /// The definition, whose mounts lead to what is to be bound.
    pub definition: Definition,
    /// Keep the volumes mounted until the container is seen to run.
    pub holds: Vec<VolumeHold>,
}

/// Mounts the root and makes ready what is mounted into it. The caller unmounts on an error. Blocks.
pub fn mount(engine: &Engine, record: &Record, layers: &[PathBuf]) -> Result<Mounted> {
    let mut definition = (*record.definition).clone();
    let folders = dirs::of(&engine.config, &definition.id);
    // How an earlier run ended is in the store; the shim of this one writes its own.
    match std::fs::remove_file(folders.exit_json()) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::Io {
                what: format!("can't remove {}", folders.exit_json().display()),
                source,
            });
        }
        _ => {}
    }
    let parts = folders.data.join("parts");
    let mut holds = Vec::new();
    for (number, mount) in definition.mounts.iter_mut().enumerate() {
        match mount.kind {
            MountKind::Bind => {
                let part = parts.join(number.to_string());
                bind(engine.shares.as_ref(), mount, &part)?;
            }
            MountKind::Volume => {
                let hold = engine.volumes.hold(&mount.volume)?;
                hold.mount()?;
                if !mount.no_copy {
                    hold.fill(Source {
                        layers: layers.to_vec(),
                        destination: PathBuf::from(&mount.destination),
                    })?;
                }
                holds.push(hold);
                if !mount.subpath.is_empty() {
                    let part = parts.join(number.to_string());
                    mount_part(&mount.source, Path::new(&mount.subpath), &part).map_err(
                        Error::io(format!(
                            "cannot access path {:?} in volume {}",
                            mount.subpath, mount.volume
                        )),
                    )?;
                    mount.source = part;
                }
            }
            MountKind::Tmpfs => {}
        }
    }
    let volatile = definition.host.auto_remove == Some(true);
    Ok(Mounted {
        rootfs: dirs::mount(&folders, layers, volatile)?,
        definition,
        holds,
    })
}

fn make_source(source: &Path) -> Result<()> {
    std::fs::create_dir_all(source)
        .or_else(|error| {
            // A file, or a link to one, is a source too.
            if source.exists() { Ok(()) } else { Err(error) }
        })
        .map_err(Error::io(format!(
            "error while creating mount source path '{}'",
            source.display()
        )))
}

/// Makes a bind's source ready. Of a folder that a machine's host shares, it is mounted at `part`.
fn bind(shares: Option<&Shares>, mount: &mut MountPoint, part: &Path) -> Result<()> {
    let found = shares
        .map(|shares| shares.find(&mount.source))
        .transpose()?;
    match found {
        None if mount.create_source => make_source(&mount.source),
        None => Ok(()),
        Some(Found::Own(source)) => {
            mount.source = source;
            Ok(())
        }
        Some(Found::Shared { folder, below }) => {
            if mount.create_source {
                make_source(&folder.join(&below))?;
            }
            mount_part(&folder, &below, part).map_err(Error::io(format!(
                "cannot access the mount source path '{}'",
                mount.source.display()
            )))?;
            mount.source = part.to_owned();
            Ok(())
        }
    }
}

/// Mounts a part of a folder at `at`, so that the runtime is given what was looked up, and no path: whoever writes to the
/// folder could make a link to the host's files of the part at any moment.
fn mount_part(folder: &Path, part: &Path, at: &Path) -> std::io::Result<()> {
    let tree = Root::open(folder)?.detached(part, true)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode);
    rootfs::unmount(at).map_err(std::io::Error::other)?;
    remove_tree(at)?;
    if kind == FileType::Directory {
        std::fs::create_dir_all(at)?;
    } else {
        std::fs::create_dir_all(at.parent().unwrap_or(at))?;
        std::fs::File::create_new(at)?;
    }
    move_mount(&tree, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}

/// Unmounts it all, and the volumes that nobody else uses; goes on past failures, which are logged. Blocks.
pub fn unmount(engine: &Arc<Engine>, record: &Record) {
    let folders = dirs::of(&engine.config, record.id());
    for folder in [&folders.data, &folders.state] {
        for error in rootfs::unmount_below(folder, |_| false) {
            tracing::warn!(container.id = %record.id(), %error, "a root wasn't unmounted");
        }
    }
    for mount in &record.definition.mounts {
        let Ok(name) = mount.volume.parse() else {
            continue;
        };
        let used = || volumes::is_live(&engine.containers, &name, Some(record.id()));
        if let Err(error) = engine.volumes.unmount(&name, used) {
            tracing::warn!(container.id = %record.id(), %error, "a volume wasn't unmounted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_volume_is_in_the_volume_and_stays_what_it_was() {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test mounts: run it as root"
        );
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("volume");
        std::fs::create_dir_all(volume.join("etc")).unwrap();
        std::fs::write(volume.join("etc/passwd"), "the volume's").unwrap();
        std::os::unix::fs::symlink("/etc", volume.join("out")).unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();

        let at = |part: &str| dir.path().join("parts").join(part);
        let mount = |part: &str, to: &str| mount_part(&volume, Path::new(part), &at(to));
        mount("out", "0").unwrap();
        mount("out/passwd", "1").unwrap();
        assert_eq!(read(&at("0/passwd")), "the volume's");
        assert_eq!(read(&at("1")), "the volume's");
        assert!(mount("no/such", "2").is_err());

        // What comes to lie there later is another thing.
        std::fs::rename(volume.join("etc"), volume.join("old")).unwrap();
        std::os::unix::fs::symlink("/etc", volume.join("etc")).unwrap();
        assert_eq!(read(&at("0/passwd")), "the volume's");

        // Again over what a crash left.
        mount("old", "0").unwrap();
        assert_eq!(read(&at("0/passwd")), "the volume's");
        assert!(rootfs::unmount_below(dir.path(), |_| false).is_empty());
        assert_eq!(read(&volume.join("old/passwd")), "the volume's");
    }
}
