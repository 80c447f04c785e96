//! A whole tar into a folder.

use std::collections::HashMap;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::place::place;
use super::space::Space;
use super::tar::{Entry, TarReader};
use super::tree::{InnerPath, Tree};
use crate::LayerError;

/// Most entries of one layer, folders that are only implied by a name among them.
const MAX_ENTRIES: u64 = 4_000_000;
/// Bytes of the names of folders whose times are set at the end.
const MAX_PENDING: u64 = 64 << 20;

/// What a tar held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of all files, each hard linked one once.
    pub size: u64,
    /// Entries.
    pub entries: u64,
}

/// Unpacks an uncompressed tar into the empty folder `into` with all owners, modes, times and extended attributes, and
/// reads the stream to its end. Nothing outside of `into` is touched, whatever the tar says. Blocking; wants root.
pub fn unpack<R: BufRead>(input: R, into: &Path) -> Result<Unpacked, LayerError> {
    unpack_and_return(input, into).map(|(unpacked, _)| unpacked)
}

pub(super) fn unpack_and_return<R: BufRead>(
    input: R,
    into: &Path,
) -> Result<(Unpacked, R), LayerError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        rustix::fs::openat(CWD, into, flags, Mode::empty()).map_err(|e| LayerError::Entry {
            doing: "open",
            name: into.display().to_string(),
            source: e.into(),
        })?;
    let mut unpacking = Unpacking::new(root)?;
    let mut reader = TarReader::new(input);
    while let Some(entry) = reader.next()? {
        unpacking.take(&entry, &mut reader)?;
    }
    unpacking.set_folder_times();
    Ok((
        Unpacked {
            size: unpacking.size,
            entries: unpacking.entries,
        },
        reader.finish()?,
    ))
}

pub(super) struct Unpacking {
    pub(super) tree: Tree,
    pub(super) space: Space,
    size: u64,
    entries: u64,
    /// Folders' times are set when nothing more is made in them.
    folder_times: HashMap<InnerPath, (i64, u32)>,
    pending: u64,
}

impl Unpacking {
    fn new(root: OwnedFd) -> Result<Unpacking, LayerError> {
        let space = Space::new(&root).map_err(LayerError::stream)?;
        Ok(Unpacking {
            tree: Tree::new(root),
            space,
            size: 0,
            entries: 0,
            folder_times: HashMap::new(),
            pending: 0,
        })
    }

    fn take<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut TarReader<R>,
    ) -> Result<(), LayerError> {
        self.entries += 1;
        let path = InnerPath::new(&entry.path)?;
        let implied = self.tree.implied();
        place(self, entry, &path, reader)?;
        if self.entries + self.tree.implied() > MAX_ENTRIES {
            return Err(LayerError::TooMuch {
                what: "number of entries",
                limit: MAX_ENTRIES,
            });
        }
        let made = 1 + self.tree.implied() - implied;
        self.space
            .made(self.tree.root(), made)
            .map_err(LayerError::stream)
    }

    /// Sparse files can say together that they are longer than any number that a database keeps.
    pub(super) fn add_size(&mut self, bytes: u64) {
        self.size = self.size.saturating_add(bytes).min(i64::MAX as u64);
    }

    pub(super) fn folder_time(
        &mut self,
        path: &InnerPath,
        mtime: (i64, u32),
    ) -> Result<(), LayerError> {
        if self.folder_times.insert(path.clone(), mtime).is_none() {
            self.pending += path.len() as u64 + 64;
        }
        if self.pending > MAX_PENDING {
            return Err(LayerError::TooMuch {
                what: "length of all folders' names",
                limit: MAX_PENDING,
            });
        }
        Ok(())
    }

    /// A folder that is gone by now, or replaced, has no time to set.
    fn set_folder_times(&mut self) {
        for (path, mtime) in std::mem::take(&mut self.folder_times) {
            let times = times(mtime);
            let set = match path.split() {
                None => rustix::fs::futimens(self.tree.root(), &times),
                Some((dir, name)) => self.tree.existing(dir).and_then(|parent| {
                    let stat = rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
                        rustix::fs::FileType::Directory => {
                            rustix::fs::utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                        }
                        _ => Err(Errno::NOTDIR),
                    }
                }),
            };
            if let Err(error) = set {
                tracing::debug!(folder = path.printable(), %error, "time of a folder not set");
            }
        }
    }
}

/// Access and change time alike, as the tar has but one.
pub(super) fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
