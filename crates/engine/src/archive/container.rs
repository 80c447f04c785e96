//! The file system of one of our containers, for copying.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_runtime::{rootfs, spec};

use super::decompress;
use super::error::{ArchiveError, At as _};
use super::pack::{Asked, pack, pack_all};
use super::root::Root;
use super::stat::{PathStat, stat};
use super::unpack::{Options, unpack};
use super::view::{Base, Mount, View};
use crate::containers::{MountKind, Record};
use crate::error::Result;
use crate::state::{Engine, off_reactor};
use crate::volumes::{self, VolumeHold, VolumeName};

/// What is done with a container's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look and copy out.
    Read,
    /// Copy in.
    Write,
}

/// A container whose files can be worked on. Blocks in all it does.
///
/// Made in the container's turn. If the container doesn't run and is to be written to, the turn must be held until the
/// work is done; else until [`Files`] was asked to do something and began.
pub struct Files {
    engine: Arc<Engine>,
    record: Record,
    /// As the client named it.
    name: String,
    view: View,
    /// Keep the volumes until they are in the view.
    holds: Vec<VolumeHold>,
}

impl Files {
    /// Finds out where the container's files are. `with_mounts` adds its binds and volumes.
    pub async fn of(
        engine: &Arc<Engine>,
        record: Record,
        name: &str,
        access: Access,
        with_mounts: bool,
    ) -> Result<Files> {
        let image = engine.images.get(&record.definition.image_id).await;
        let layers = image.map(|image| {
            let layers = image.layers.iter();
            layers.map(|layer| layer.path.clone()).collect::<Vec<_>>()
        });
        let (engine, name) = (Arc::clone(engine), name.to_owned());
        off_reactor(move || {
            let folder = engine.config.container_dir(record.id().as_str());
            let base = base(&folder, layers, access)?;
            let mut files = Files {
                view: View {
                    base,
                    mounts: Vec::new(),
                    scratch: engine.config.exec_root.join("view"),
                },
                engine,
                record,
                name,
                holds: Vec::new(),
            };
            if with_mounts {
                files.add_mounts(&folder)?;
            }
            Ok(files)
        })
        .await?
    }

    /// Whether the container's own root is written to through a mount that nobody else may make meanwhile.
    pub fn needs_turn(&self) -> bool {
        matches!(self.view.base, Base::Writable { .. })
    }

    fn add_mounts(&mut self, folder: &Path) -> Result<()> {
        let definition = Arc::clone(&self.record.definition);
        for (file, place) in [
            ("hostname", "/etc/hostname"),
            ("hosts", "/etc/hosts"),
            ("resolv.conf", "/etc/resolv.conf"),
        ] {
            // A container that was never started has none.
            if folder.join(file).is_file() {
                self.view.mounts.push(Mount {
                    source: folder.join(file),
                    part: PathBuf::new(),
                    destination: place.into(),
                    read_only: false,
                    recursive: false,
                });
            }
        }
        for mount in &definition.mounts {
            let source = match mount.kind {
                MountKind::Tmpfs => continue,
                MountKind::Bind => mount.source.clone(),
                MountKind::Volume => {
                    let hold = self.engine.volumes.hold(&mount.volume)?;
                    let source = hold.mount()?;
                    self.holds.push(hold);
                    source
                }
            };
            self.view.mounts.push(Mount {
                source,
                part: PathBuf::from(&mount.subpath),
                destination: PathBuf::from(&mount.destination),
                read_only: mount.read_only,
                recursive: !mount.non_recursive,
            });
        }
        // What lies in another mount comes after it.
        self.view
            .mounts
            .sort_by_key(|mount| mount.destination.components().count());
        Ok(())
    }

    /// What `asked` is.
    pub fn stat(self, asked: &Asked) -> Result<PathStat> {
        let container = self.name.clone();
        self.work(|root| stat(root, asked).map_err(|error| named(error, asked, &container)))
    }

    /// Writes a tar of what `asked` is; `tell` learns what it is before the first byte.
    pub fn copy_out(
        self,
        asked: &Asked,
        out: impl Write + Send,
        tell: impl FnOnce(PathStat) + Send,
    ) -> Result<()> {
        let container = self.name.clone();
        self.work(|root| {
            tell(stat(root, asked).map_err(|error| named(error, asked, &container))?);
            pack(root, asked, out)
        })
    }

    /// Writes a tar of the whole root.
    pub fn export(self, out: impl Write + Send) -> Result<()> {
        self.work(|root| pack_all(root, out))
    }

    /// Unpacks a tar, plain or compressed, into the folder `asked`. With `own` all of it becomes the container's user's.
    /// `begun` is told when the view stands.
    pub fn copy_in(
        self,
        asked: &Asked,
        archive: impl Read + Send,
        keep_kinds: bool,
        own: bool,
        begun: impl FnOnce() + Send,
    ) -> Result<()> {
        let container = self.name.clone();
        let user = self.record.definition.config.user.clone();
        let read_only = self.record.definition.host.readonly_rootfs == Some(true);
        let mounts: Vec<(PathBuf, bool)> = self
            .view
            .mounts
            .iter()
            .map(|mount| (mount.destination.clone(), mount.read_only))
            .collect();
        self.work(|root| {
            begun();
            let path = asked.path();
            let find = || {
                let at = root.resolve(path).at("can't follow", path)?;
                root.look(&at).at("can't look at", path)?;
                Ok(at)
            };
            let at = find().map_err(|error| named(error, asked, &container))?;
            check_writable(&at, &mounts, read_only)?;
            let owner = match user.as_deref().filter(|user| own && !user.is_empty()) {
                Some(user) => Some(
                    spec::owner(Path::new("/"), user)
                        .map_err(std::io::Error::other)
                        .at("can't find the container's user for", path)?,
                ),
                None => None,
            };
            let options = Options { keep_kinds, owner };
            let archive = decompress::reader(archive)?;
            unpack(root, &at, archive, options)
        })
    }

    /// Does `work` in the view, and lets go of the volumes that were mounted for it.
    fn work<T: Send>(
        self,
        work: impl FnOnce(&Root) -> Result<T, ArchiveError> + Send,
    ) -> Result<T> {
        let Files {
            engine,
            record,
            view,
            holds,
            ..
        } = self;
        let names: Vec<VolumeName> = holds
            .iter()
            .map(|hold| hold.volume().name.clone())
            .collect();
        let done = view.with(move |root| {
            // They are in the view now, and stay there whatever becomes of them outside.
            drop(holds);
            work(root)
        });
        for name in names {
            let used = || volumes::is_live(&engine.containers, &name, None);
            if let Err(error) = engine.volumes.unmount(&name, used) {
                tracing::warn!(container.id = %record.id(), %error, "a volume wasn't unmounted");
            }
        }
        Ok(done?)
    }
}

fn base(
    folder: &Path,
    layers: Result<Vec<PathBuf>, gantry_image::ImageError>,
    access: Access,
) -> Result<Base> {
    let merged = folder.join("merged");
    if rootfs::is_mounted(&merged).map_err(ArchiveError::from)? {
        return Ok(Base::Mounted(merged));
    }
    let mut lower = layers?;
    let upper = folder.join("upper");
    Ok(match access {
        Access::Read => {
            lower.push(upper);
            Base::Layers(lower)
        }
        Access::Write => Base::Writable {
            lower,
            upper,
            work: folder.join("work"),
        },
    })
}

/// A path that isn't there is the client's mistake, in Docker's words.
fn named(error: ArchiveError, asked: &Asked, container: &str) -> ArchiveError {
    if error.is_missing() {
        return ArchiveError::NoSuchPath {
            path: asked.path().to_owned(),
            container: container.to_owned(),
        };
    }
    error
}

/// The container's own rules: a mount's, else the root's.
fn check_writable(
    at: &Path,
    mounts: &[(PathBuf, bool)],
    read_only_root: bool,
) -> Result<(), ArchiveError> {
    // Outer mounts come first, so the last match is the one that holds.
    match mounts
        .iter()
        .rev()
        .find(|(destination, _)| at.starts_with(destination))
    {
        Some((_, true)) => Err(ArchiveError::ReadOnlyMount),
        Some((_, false)) => Ok(()),
        None if read_only_root => Err(ArchiveError::ReadOnlyRoot),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_decides() {
        let mounts = [
            (PathBuf::from("/data"), false),
            (PathBuf::from("/data/fixed"), true),
            (PathBuf::from("/data/fixed/open"), false),
        ];
        let check = |path: &str, root| check_writable(Path::new(path), &mounts, root);
        assert!(check("/etc", false).is_ok());
        assert!(matches!(
            check("/etc", true),
            Err(ArchiveError::ReadOnlyRoot)
        ));
        assert!(matches!(
            check("/database", true),
            Err(ArchiveError::ReadOnlyRoot)
        ));
        assert!(check("/data", true).is_ok());
        assert!(matches!(
            check("/data/fixed/x", false),
            Err(ArchiveError::ReadOnlyMount)
        ));
        assert!(check("/data/fixed/open/x", true).is_ok());
    }
}
