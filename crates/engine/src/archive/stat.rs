//! What `X-Docker-Container-Path-Stat` says of a path.

use std::path::PathBuf;

use rustix::fs::FileType;
use time::OffsetDateTime;

use super::error::{ArchiveError, At as _};
use super::node::mtime;
use super::root::Root;

/// A path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path as it was asked for; `/` for the root.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Kind and permissions, with the bits of Go's `os.FileMode`.
    pub mode: u32,
    /// When it was last modified.
    pub mtime: OffsetDateTime,
    /// Where a link leads, as a path in the container; empty for anything else.
    pub link_target: String,
}

/// Looks at `path`: a link itself if it is one.
pub fn stat(root: &Root, path: &super::pack::Asked) -> Result<PathStat, ArchiveError> {
    let at = path.in_root(root)?;
    let found = root.look(&at).at("can't look at", path.path())?;
    let link_target = if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
        root.resolve(&at).at("can't look at", path.path())?
    } else {
        PathBuf::new()
    };
    let (seconds, nanoseconds) = mtime(&found);
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Ok(PathStat {
        name: path.base_name(),
        size: found.st_size,
        mode: go_mode(found.st_mode),
        mtime: OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        link_target: link_target.to_string_lossy().into_owned(),
    })
}

/// A mode as Go writes it: <https://pkg.go.dev/io/fs#FileMode>.
fn go_mode(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        FileType::RegularFile => 0,
        FileType::Unknown => 1 << 19,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    special
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .fold(kind | mode & 0o777, |mode, (_, bit)| mode | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o041_777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(0o104_755), 1 << 23 | 0o755);
        assert_eq!(go_mode(0o120_777), 1 << 27 | 0o777);
        assert_eq!(go_mode(0o020_666), 1 << 26 | 1 << 21 | 0o666);
    }
}
