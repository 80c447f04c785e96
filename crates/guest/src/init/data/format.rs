//! Formats an empty disk so that being killed at any moment does no harm.
//!
//! `mke2fs` writes in whatever order the page cache likes, so a machine that is killed meanwhile would leave a disk that
//! is neither empty nor a file system, and which nobody dares to touch. Hence it works on a sparse file in memory; what
//! it wrote there is copied, with a mark at the disk's very beginning (where ext4 has nothing) for as long as that
//! takes. A disk with the mark was empty when it was set, and is formatted again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{SeekFrom, seek};

use super::program::make;
use super::superblock::mark;
use crate::init::error::{InitError, file};

const SCRATCH: &str = "/run/gantry/format.img";
/// Nobody's bytes at a file system's beginning, where the mark is.
const MARKED: u64 = 1024;
/// The end of the superblock.
const SUPERBLOCK_END: u64 = 2048;
const PIECE: usize = 256 * 1024;

/// Formats the first `bytes` of `disk`, which hold nothing or what an earlier try wrote.
pub fn format(disk: &Path, bytes: u64) -> Result<(), InitError> {
    let scratch = Path::new(SCRATCH);
    let made = in_memory(scratch, bytes).and_then(|image| {
        OpenOptions::new()
            .write(true)
            .open(disk)
            .and_then(|mut target| copy(&image, &mut target, bytes))
            .map_err(file("format", disk))
    });
    // It is in memory: what can't be removed is gone with the machine.
    let _ = fs::remove_file(scratch);
    made
}

fn in_memory(scratch: &Path, bytes: u64) -> Result<File, InitError> {
    let image = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(scratch)
        .and_then(|image| image.set_len(bytes).map(|()| image))
        .map_err(file("make", scratch))?;
    make(scratch)?;
    Ok(image)
}

/// What is formatted: a disk, or what a test makes of it.
trait Target {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// All that was written before is on the disk before what is written after.
    fn sync(&mut self) -> io::Result<()>;
}

impl Target for File {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// The superblock is written last but for the mark's removal: before it, no one takes the disk for a file system.
fn copy(image: &File, disk: &mut impl Target, bytes: u64) -> io::Result<()> {
    let mark = mark(bytes);
    disk.write(0, &mark)?;
    disk.sync()?;
    let mut piece = vec![0; PIECE];
    let mut at = SUPERBLOCK_END;
    while let Some((start, end)) = written(image, at)? {
        copy_range(image, disk, start, end, &mut piece)?;
        at = end;
    }
    disk.sync()?;
    copy_range(image, disk, MARKED, SUPERBLOCK_END, &mut piece)?;
    disk.sync()?;
    disk.write(0, &vec![0; mark.len()])?;
    disk.sync()
}

/// The next part of a sparse file, from `at` on, that something was written to.
fn written(image: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    let start = match seek(image, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(rustix::io::Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some((start, seek(image, SeekFrom::Hole(start))?)))
}

fn copy_range(
    image: &File,
    disk: &mut impl Target,
    start: u64,
    end: u64,
    piece: &mut [u8],
) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let length = usize::try_from(end - at).map_or(piece.len(), |left| left.min(piece.len()));
        let part = &mut piece[..length];
        image.read_exact_at(part, at)?;
        disk.write(at, part)?;
        at += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::data::superblock::{Found, HEAD, LABEL, recognise};

    const SIZE: u64 = 1024 * 1024;

    /// A disk in memory that is cut off after so many calls.
    struct Cut {
        bytes: Vec<u8>,
        calls_left: usize,
    }

    impl Cut {
        fn call(&mut self) -> io::Result<()> {
            let left = self.calls_left.checked_sub(1);
            self.calls_left = left.ok_or_else(|| io::Error::other("the machine was killed"))?;
            Ok(())
        }
    }

    impl Target for Cut {
        fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
            self.call()?;
            let at = usize::try_from(at).expect("small");
            self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.call()
        }
    }

    /// A sparse file with a superblock, and something at two more places.
    fn image() -> File {
        let image = tempfile::tempfile().expect("a file");
        image.set_len(SIZE).expect("its size");
        for (at, bytes) in [
            (MARKED + 0x38, &[0x53, 0xef, 1][..]),
            (MARKED + 0x78, LABEL.as_bytes()),
            (512 * 1024, b"table"),
            (SIZE - 3, b"end"),
        ] {
            image.write_all_at(bytes, at).expect("write");
        }
        image
    }

    #[test]
    fn a_disk_cut_off_at_any_moment_is_empty_marked_or_whole() {
        let image = image();
        let size = usize::try_from(SIZE).expect("small");
        let mut whole = vec![0; size];
        image.read_exact_at(&mut whole, 0).expect("read");
        for calls_left in 0.. {
            let mut disk = Cut {
                bytes: vec![0; size],
                calls_left,
            };
            let copied = copy(&image, &mut disk, SIZE);
            match recognise(&disk.bytes[..HEAD]) {
                Found::Empty => assert_eq!(calls_left, 0),
                Found::Formatting(bytes) => assert_eq!(bytes, SIZE),
                Found::Gantry(_) => assert!(disk.bytes == whole, "after {calls_left} calls"),
                other => panic!("after {calls_left} calls: {other}"),
            }
            if copied.is_ok() {
                assert!(disk.bytes == whole);
                return;
            }
        }
    }
}
