//! The machine's two disks: the image's root, and the data.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::data::superblock::{Found, HEAD, recognise};
use super::error::{InitError, file};
use super::uevent::wait_for;

const LIMIT: Duration = Duration::from_secs(20);

/// The two.
pub struct Disks {
    /// The read-only image.
    pub root: PathBuf,
    /// All that lasts.
    pub data: PathBuf,
}

/// Waits for both; the first is the root, in the order of their names.
pub fn find() -> Result<Disks, InitError> {
    let (root, data) = wait_for("two disks", LIMIT, || {
        let mut names = names();
        (names.len() >= 2).then(|| {
            let data = names.swap_remove(1);
            (names.swap_remove(0), data)
        })
    })?;
    let disks = Disks {
        root: Path::new("/dev").join(root),
        data: Path::new("/dev").join(data),
    };
    match recognise(&head(&disks.root)?) {
        Found::Squashfs => Ok(disks),
        other => Err(InitError::NotARoot {
            disk: disks.root,
            found: other.to_string(),
        }),
    }
}

/// Whole disks by name: virtio's, or SCSI's under Hyper-V.
fn names() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("vd") || name.starts_with("sd"))
        .filter(|name| Path::new("/dev").join(name).exists())
        .collect();
    names.sort();
    names
}

/// The beginning of a disk; shorter where the disk is.
pub fn head(disk: &Path) -> Result<Vec<u8>, InitError> {
    let mut head = Vec::with_capacity(HEAD);
    let opened = File::open(disk).map_err(file("open", disk))?;
    opened
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(file("read", disk))?;
    Ok(head)
}

/// A disk's size in bytes.
pub fn size(disk: &Path) -> Result<u64, InitError> {
    let mut opened = File::open(disk).map_err(file("open", disk))?;
    opened.seek(SeekFrom::End(0)).map_err(file("measure", disk))
}
