//! The data disk: all of the machine that lasts.
//!
//! A disk is formatted only where it is empty, and so that a machine that is killed in the middle formats it anew at
//! its next start ([`format`](mod@format)). One that wasn't left cleanly is checked before it is mounted; one that has grown is
//! followed by its file system.

mod format;
mod program;
pub mod superblock;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use rustix::mount::{MountFlags, mount_bind};

use super::console::say;
use super::disks::{head, size};
use super::error::{InitError, file};
use super::mounts::{make_folder, mount_at};
use superblock::{Found, recognise};

/// Where the disk is mounted.
pub const MOUNTED: &str = "/mnt/data";
/// The engine's part of it, and where the engine looks for it.
const ENGINE: (&str, &str) = ("/mnt/data/engine", "/var/lib/gantry");
/// A smaller disk has no room for a journal.
const LEAST: u64 = 64 * MIB;
/// What is less isn't worth a resize.
const GROWTH: u64 = 16 * MIB;
const MIB: u64 = 1024 * 1024;

/// Makes the disk usable and mounts it.
pub fn mount(disk: &Path) -> Result<(), InitError> {
    let bytes = size(disk)?;
    if bytes < LEAST {
        return Err(tiny(disk, bytes, LEAST));
    }
    match recognise(&head(disk)?) {
        Found::Gantry(superblock) => {
            if !superblock.is_clean() {
                say("data", "was not left cleanly, checking it");
                program::check(disk)?;
            }
        }
        Found::Empty if is_blank(disk, bytes)? => format(disk, bytes)?,
        Found::Empty => return Err(foreign(disk, &Found::Unknown)),
        // Of the size that it was begun with: the same blocks are written again, and the file system grows after.
        Found::Formatting(begun) if begun <= bytes => format(disk, begun)?,
        Found::Formatting(begun) => return Err(tiny(disk, bytes, begun)),
        other => return Err(foreign(disk, &other)),
    }
    if let Err(error) = mount_data(disk) {
        say(
            "data",
            format_args!("can't be mounted, checking it: {error}"),
        );
        program::check(disk)?;
        mount_data(disk)?;
    }
    grow(disk, bytes)?;
    let (inside, seen) = ENGINE;
    make_folder(Path::new(inside))?;
    mount_bind(inside, seen).map_err(|error| InitError::Mount {
        what: inside.to_owned(),
        at: seen.into(),
        source: error.into(),
    })
}

fn mount_data(disk: &Path) -> Result<(), InitError> {
    mount_at(
        &disk.to_string_lossy(),
        Path::new(MOUNTED),
        "ext4",
        // Containers have set-uid programs and devices of their own on it.
        MountFlags::NOATIME,
        "discard,errors=remount-ro",
    )
}

fn format(disk: &Path, bytes: u64) -> Result<(), InitError> {
    say("data", format_args!("formatting {} MiB", bytes / MIB));
    format::format(disk, bytes)
}

fn grow(disk: &Path, bytes: u64) -> Result<(), InitError> {
    let Found::Gantry(superblock) = recognise(&head(disk)?) else {
        return Ok(());
    };
    if bytes.saturating_sub(superblock.bytes()) < GROWTH {
        return Ok(());
    }
    say(
        "data",
        format_args!(
            "growing from {} to {} MiB",
            superblock.bytes() / MIB,
            bytes / MIB
        ),
    );
    program::grow(disk)
}

/// Whether both ends of a disk whose first signature is missing hold nothing at all: the places where partition tables,
/// volume managers and arrays keep theirs.
fn is_blank(disk: &Path, bytes: u64) -> Result<bool, InitError> {
    let mut opened = File::open(disk).map_err(file("open", disk))?;
    let mut part = Vec::new();
    for start in [0, bytes.saturating_sub(MIB)] {
        part.clear();
        opened
            .seek(SeekFrom::Start(start))
            .and_then(|_| opened.by_ref().take(MIB).read_to_end(&mut part))
            .map_err(file("read", disk))?;
        if part.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tiny(disk: &Path, bytes: u64, least: u64) -> InitError {
    InitError::TinyDisk {
        disk: disk.to_owned(),
        bytes,
        least,
    }
}

fn foreign(disk: &Path, found: &Found) -> InitError {
    InitError::ForeignDisk {
        disk: disk.to_owned(),
        found: found.to_string(),
    }
}
