//! A whole tar into a folder.

use std::collections::HashMap;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::place::place;
use super::tar::{Entry, TarReader};
use super::tree::{InnerPath, Tree};
use crate::LayerError;

/// Most entries of one layer.
const MAX_ENTRIES: u64 = 4_000_000;
/// Bytes of the names of folders whose times are set at the end.
const MAX_PENDING: u64 = 64 << 20;
/// Bytes written between two looks at the free space, and entries made.
const CHECK_BYTES: u64 = 16 << 20;
const CHECK_ENTRIES: u64 = 4096;

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
    pub(super) size: u64,
    entries: u64,
    /// Folders' times are set when nothing more is made in them.
    folder_times: HashMap<InnerPath, (i64, u32)>,
    pending: u64,
}

impl Unpacking {
    fn new(root: OwnedFd) -> Result<Unpacking, LayerError> {
        let space = Space::new(&root)?;
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
        if self.entries > MAX_ENTRIES {
            return Err(LayerError::TooMuch {
                what: "number of entries",
                limit: MAX_ENTRIES,
            });
        }
        if self.entries.is_multiple_of(CHECK_ENTRIES) {
            self.space.check(self.tree.root())?;
        }
        let path = InnerPath::new(&entry.path)?;
        place(self, entry, &path, reader)
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

/// Stops an unpacking before the disk is full: the engine needs room to stop and remove containers.
pub(super) struct Space {
    /// Blocks that must stay free.
    floor: u64,
    since: u64,
}

impl Space {
    fn new(root: &OwnedFd) -> Result<Space, LayerError> {
        let stat = rustix::fs::fstatvfs(root).map_err(|e| LayerError::Stream(e.into()))?;
        let wanted = (64 << 20) / stat.f_frsize.max(1);
        Ok(Space {
            floor: wanted.min(stat.f_blocks / 50),
            since: 0,
        })
    }

    pub(super) fn written(&mut self, root: &OwnedFd, bytes: u64) -> Result<(), LayerError> {
        self.since += bytes;
        if self.since < CHECK_BYTES {
            return Ok(());
        }
        self.since = 0;
        self.check(root)
    }

    fn check(&self, root: &OwnedFd) -> Result<(), LayerError> {
        let stat = rustix::fs::fstatvfs(root).map_err(|e| LayerError::Stream(e.into()))?;
        if stat.f_bavail < self.floor {
            Err(LayerError::NoSpace)
        } else {
            Ok(())
        }
    }
}
