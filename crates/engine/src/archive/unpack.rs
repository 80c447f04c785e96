//! Puts the files of a tar into a folder of a container.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, OFlags};

use super::entries::{Entries, Entry};
use super::error::{ArchiveError, At as _};
use super::node::Kind;
use super::place;
use super::root::Root;

/// Folders whose times are set at the end; more of them get the time of their last change.
const TIMED_FOLDERS: usize = 1 << 16;

/// How to unpack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Refuse to put a file in a folder's place, or a folder in a file's.
    pub keep_kinds: bool,
    /// Give everything to this user and group instead of the archive's.
    pub owner: Option<(u32, u32)>,
}

/// Unpacks `archive`, which isn't compressed, into the folder at `path`, which must be there.
///
/// Names are taken relative to that folder and never lead out of the root: links in the container, and those that the
/// archive makes, are followed within it.
pub fn unpack(
    root: &Root,
    path: &Path,
    archive: impl Read,
    options: Options,
) -> Result<(), ArchiveError> {
    let base = root.resolve(path).at("can't follow", path)?;
    let found = root.look(&base).at("can't look at", path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return Err(ArchiveError::NotAFolder);
    }
    let mut entries = Entries::new(archive);
    let mut folders = Vec::new();
    while let Some(mut entry) = entries.next_entry()? {
        if let Some((uid, gid)) = options.owner {
            (entry.node.uid, entry.node.gid) = (uid, gid);
        }
        let mut unpacking = Unpacking {
            root,
            base: &base,
            options,
        };
        if let Some(folder) = unpacking.entry(&entry, &mut entries.content())?
            && folders.len() < TIMED_FOLDERS
        {
            folders.push((folder, entry.node));
        }
    }
    // Inner ones last made are set first, so that no outer time is touched again.
    for (folder, node) in folders.iter().rev() {
        // It may have been replaced since, by the archive or by the container.
        if let Ok(fd) = root.open_at(folder, FOLDER) {
            place::times(fd.as_fd(), node).at("can't date", folder)?;
        }
    }
    Ok(())
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW);

struct Unpacking<'a> {
    root: &'a Root,
    base: &'a Path,
    options: Options,
}

impl Unpacking<'_> {
    /// Makes one file; gives back the path of a folder.
    fn entry(
        &mut self,
        entry: &Entry,
        content: &mut impl Read,
    ) -> Result<Option<PathBuf>, ArchiveError> {
        let path = relative(&entry.path)?;
        let Some(name) = path.file_name().map(OsString::from) else {
            // `./`: the folder itself, which is there and keeps its attributes.
            return Ok(None);
        };
        let inside = self.base.join(path.parent().unwrap_or(Path::new("")));
        let parent = self
            .root
            .make_folders(&inside)
            .at("can't put", &entry.path)?;
        let full = self.base.join(&path);
        self.clear(&parent, &name, entry, &full)?;
        match &entry.node.kind {
            Kind::Folder => {
                place::folder(parent.as_fd(), &name, &entry.node).at("can't put", &entry.path)?;
                return Ok(Some(full));
            }
            Kind::File(size) => {
                place::file(parent.as_fd(), &name, &entry.node, *size, content)
                    .at("can't put", &entry.path)?;
            }
            Kind::HardLink(target) => {
                let target = relative(target)?;
                let old = target
                    .file_name()
                    .ok_or_else(|| ArchiveError::Tar("a hard link to a folder".to_owned()))?;
                let inside = self.base.join(target.parent().unwrap_or(Path::new("")));
                let from = self.root.folder(&inside).at("can't put", &entry.path)?;
                place::hard_link(from.as_fd(), old, parent.as_fd(), &name)
                    .at("can't put", &entry.path)?;
            }
            _ => place::special(parent.as_fd(), &name, &entry.node).at("can't put", &entry.path)?,
        }
        Ok(None)
    }

    /// Takes away what is in the way, where that is allowed.
    fn clear(
        &self,
        parent: &OwnedFd,
        name: &std::ffi::OsStr,
        entry: &Entry,
        full: &Path,
    ) -> Result<(), ArchiveError> {
        let becomes_folder = entry.node.kind == Kind::Folder;
        match place::is_folder(parent.as_fd(), name).at("can't replace", full)? {
            None => Ok(()),
            Some(true) if becomes_folder => Ok(()),
            Some(true) if self.options.keep_kinds => Err(ArchiveError::FolderInTheWay {
                path: full.to_owned(),
            }),
            Some(false) if becomes_folder && self.options.keep_kinds => {
                Err(ArchiveError::FileInTheWay {
                    path: full.to_owned(),
                })
            }
            Some(_) => place::remove(parent.as_fd(), name).at("can't replace", full),
        }
    }
}

/// The entry's name below the folder that is unpacked into; one that climbs out is an error.
fn relative(path: &Path) -> Result<PathBuf, ArchiveError> {
    let mut relative = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => relative.push(name),
            Component::ParentDir => {
                return Err(ArchiveError::Tar(format!(
                    "the name {path:?} leads out of the archive"
                )));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(relative)
}
