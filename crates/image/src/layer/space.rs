//! Stops an unpacking before the disk is full: the engine needs room to stop and remove containers.

use std::io;
use std::os::fd::AsFd;

/// Bytes that must stay free, and files that must still have room; less on a small disk.
const FREE_BYTES: u64 = 64 << 20;
const FREE_FILES: u64 = 4096;
/// Of a small disk, one part in so many stays free.
const PART: u64 = 50;
/// Bytes written between two looks, and files made.
const CHECK_BYTES: u64 = 16 << 20;
const CHECK_FILES: u64 = 256;

/// Counts what is written to one file system.
pub(super) struct Space {
    /// Blocks that must stay free.
    blocks: u64,
    /// Inodes that must stay free; none where the file system makes them as needed.
    files: u64,
    bytes_since: u64,
    files_since: u64,
}

impl Space {
    /// Of the file system that `place` is on.
    pub(super) fn new(place: impl AsFd) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(place)?;
        Ok(Space {
            blocks: (FREE_BYTES / stat.f_frsize.max(1)).min(stat.f_blocks / PART),
            files: FREE_FILES.min(stat.f_files / PART),
            bytes_since: 0,
            files_since: 0,
        })
    }

    /// To be told of all bytes written.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where less is free than must be.
    pub(super) fn written(&mut self, place: impl AsFd, bytes: u64) -> io::Result<()> {
        self.bytes_since = self.bytes_since.saturating_add(bytes);
        self.look(place)
    }

    /// To be told of all files and folders made; errors as [`Space::written`].
    pub(super) fn made(&mut self, place: impl AsFd, files: u64) -> io::Result<()> {
        self.files_since = self.files_since.saturating_add(files);
        self.look(place)
    }

    fn look(&mut self, place: impl AsFd) -> io::Result<()> {
        if self.bytes_since < CHECK_BYTES && self.files_since < CHECK_FILES {
            return Ok(());
        }
        (self.bytes_since, self.files_since) = (0, 0);
        let stat = rustix::fs::fstatvfs(place)?;
        if stat.f_bavail < self.blocks || stat.f_favail < self.files {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}
