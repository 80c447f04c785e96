//! The data disk's file system.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::sys;

/// Tells the host of all blocks that nothing is in (FITRIM). The mount's `discard` tells of
/// most when they become free; this is for what it missed, as after a crash.
pub fn trim(data: &Path) -> io::Result<u64> {
    let folder = std::fs::File::open(data)?;
    sys::trim(&folder)
}

/// Grows an ext4 to the present size of its disk, while it is mounted.
pub fn grow(data: &Path) -> io::Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let device = device_of(&mounts, data).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no disk is mounted at {}", data.display()),
        )
    })?;
    let ran = Command::new("resize2fs")
        .arg(device)
        .stdin(Stdio::null())
        .output()?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(io::Error::other(format!(
        "resize2fs {device} {}: {}",
        ran.status,
        said.trim()
    )))
}

/// The source of what is mounted at `place` last, as of proc(5).
fn device_of<'a>(mounts: &'a str, place: &Path) -> Option<&'a str> {
    let place = place.to_str()?;
    mounts.lines().rev().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let is_there = mount.split(' ').nth(4) == Some(place);
        is_there.then(|| source.split(' ').nth(1)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_mount_is_found() {
        let mounts = "22 1 0:20 / / ro - squashfs /dev/vda ro\n\
                      30 22 254:16 / /mnt/data rw,noatime shared:1 - ext4 /dev/vdb rw\n\
                      31 30 0:40 / /mnt/data/x rw - overlay overlay rw\nbroken\n";
        assert_eq!(device_of(mounts, Path::new("/mnt/data")), Some("/dev/vdb"));
        assert_eq!(device_of(mounts, Path::new("/mnt")), None);
    }
}
