//! Filling an empty volume with what the image has at its mount point.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;

use super::{Options, VolumeError, VolumeHold};
use crate::archive::node::{Found, Kind};
use crate::archive::place;
use crate::archive::root::Root;
use crate::archive::view::{Base, View};
use crate::archive::walk::{Visitor, walk};
use crate::archive::{ArchiveError, At as _};

/// What a volume is filled from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The image's layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// The mount point in the container.
    pub destination: PathBuf,
}

impl VolumeHold {
    /// Copies what the image has at the destination into the volume, with owners, modes and times, if the volume is
    /// empty. Blocks. A crash leaves the volume empty or, from the next start on, whole: see `settle`.
    pub fn fill(&self, source: Source) -> Result<(), VolumeError> {
        if !matches!(Options::of(&self.volume.options), Ok(None)) {
            return Ok(());
        }
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &self.volume.name;
        let folder = self.volumes.folder(name);
        let fresh = folder.join("_fresh");
        settle(&folder).map_err(VolumeError::io(name, "put its content in place"))?;
        let mut inside =
            std::fs::read_dir(self.data()).map_err(VolumeError::io(name, "list it"))?;
        if inside.next().is_some() {
            return Ok(());
        }
        place::remove_tree(&fresh).map_err(VolumeError::io(name, "tidy up"))?;
        let into = open(&folder).map_err(VolumeError::io(name, "open its folder"))?;
        let view = View {
            base: Base::Layers(source.layers),
            mounts: Vec::new(),
            scratch: self.volumes.scratch.clone(),
        };
        let copied = view
            .with(|root| copy(root, &source.destination, &into))
            .map_err(|source| VolumeError::Fill {
                name: name.clone(),
                source,
            });
        match copied {
            Ok(true) => {
                rustix::fs::syncfs(&into).map_err(VolumeError::io(name, "write it"))?;
                std::fs::rename(&fresh, folder.join(WHOLE))
                    .and_then(|()| settle(&folder))
                    .map_err(VolumeError::io(name, "put its content in place"))
            }
            Ok(false) => Ok(()),
            Err(error) => {
                if let Err(error) = place::remove_tree(&fresh) {
                    tracing::warn!(volume = %name, %error, "can't remove a half-made copy");
                }
                Err(error)
            }
        }
    }
}

/// Content that was copied to the end and isn't in its place yet.
const WHOLE: &str = "_whole";

/// Moves the copy that is whole, if there is one, into the volume in `folder`; again after a crash. `_data` itself stays
/// the folder that it is, since containers may have it mounted, and so does what they have put there meanwhile.
pub(super) fn settle(folder: &Path) -> io::Result<()> {
    let parent = open(folder)?;
    let whole = match Found::at(parent.as_fd(), WHOLE.as_ref()) {
        Ok(Some(found)) => found,
        Ok(None) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    let data = place::folder(parent.as_fd(), "_data".as_ref(), &whole.node)?;
    if let Some(from) = &whole.fd {
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match renameat_with(from, name, &data, name, RenameFlags::NOREPLACE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    place::times(data.as_fd(), &whole.node)?;
    place::remove_tree(&folder.join(WHOLE))
}

fn open(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, folder, flags, Mode::empty())
}

/// Copies the folder at `path` to `_fresh`; false where the image has no folder there.
fn copy(root: &Root, path: &Path, into: &OwnedFd) -> Result<bool, ArchiveError> {
    let at = root.resolve(path).at("can't follow", path)?;
    match root.look(&at) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
        Ok(_) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(false),
        Err(errno) => return Err(errno).at("can't look at", path),
    }
    let folder = root.folder(&at).at("can't open", path)?;
    let mut copier = Copier {
        into,
        open: Vec::new(),
        seen: HashMap::new(),
    };
    walk(folder.as_fd(), OsString::from(".").as_os_str(), &mut copier)?;
    Ok(true)
}

struct Copier<'a> {
    into: &'a OwnedFd,
    /// The folders from `_fresh` down to the current one.
    open: Vec<OwnedFd>,
    /// Files with several names: the folder and name of the copy.
    seen: HashMap<(u64, u64), PathBuf>,
}

impl Copier<'_> {
    fn first_copy(&self, path: &Path) -> Result<(OwnedFd, OsString), ArchiveError> {
        let mut at = self.open[0].try_clone().at("can't open", path)?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            at = place::open_folder(at.as_fd(), part.as_os_str()).at("can't open", path)?;
        }
        Ok((at, path.file_name().unwrap_or_default().to_owned()))
    }
}

impl Visitor for Copier<'_> {
    fn visit(&mut self, path: &Path, found: &Found) -> Result<(), ArchiveError> {
        let name = path.file_name().map_or("_fresh".into(), OsString::from);
        let parent = self.open.last().unwrap_or(self.into);
        let node = &found.node;
        if found.has_more_names && node.kind != Kind::Folder {
            if let Some(first) = self.seen.get(&found.identity) {
                let (from, old) = self.first_copy(first)?;
                return place::hard_link(from.as_fd(), &old, parent.as_fd(), &name)
                    .at("can't copy", path);
            }
            self.seen.insert(found.identity, path.to_owned());
        }
        match (&node.kind, &found.fd) {
            (Kind::Folder, _) => {
                let folder = place::folder(parent.as_fd(), &name, node).at("can't copy", path)?;
                self.open.push(folder);
                Ok(())
            }
            (Kind::File(size), Some(fd)) => {
                let mut content = File::from(fd.try_clone().at("can't copy", path)?);
                place::file(parent.as_fd(), &name, node, *size, &mut content).at("can't copy", path)
            }
            _ => place::special(parent.as_fd(), &name, node).at("can't copy", path),
        }
    }

    fn leave(&mut self, path: &Path, found: &Found) -> Result<(), ArchiveError> {
        match self.open.pop() {
            // The last one, `_fresh`, is needed for nothing more either.
            Some(folder) => place::times(folder.as_fd(), &found.node).at("can't copy", path),
            None => Ok(()),
        }
    }
}
