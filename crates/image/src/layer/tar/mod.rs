//! A tar reader for hostile archives: every length is bounded, nothing is trusted, nothing is kept in memory but one
//! entry's header. Reads what Docker's reader does: v7, ustar, star, GNU (long names, sparse) and PAX (names, numbers,
//! xattrs, the three sparse forms).

mod header;
mod pax;
mod reader;
mod sparse;
#[cfg(test)]
mod tests;
mod write;

use header::BLOCK;
pub(crate) use reader::TarReader;
pub(crate) use write::tar_header;

/// Longest name or link target, with the kernel's `PATH_MAX` as measure.
pub(crate) const MAX_PATH: u64 = 4096;
/// Largest extended header (PAX records, xattrs within).
pub(crate) const MAX_EXTENDED: u64 = 1 << 20;
/// Most extended attributes of one entry: file systems keep far fewer.
pub(crate) const MAX_XATTRS: usize = 1024;
/// Most pieces of one sparse file.
pub(crate) const MAX_SEGMENTS: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// A stretch of a sparse file that holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// One entry's header; the data follows in the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// As written: may be absolute, climb, or be empty.
    pub(crate) path: Vec<u8>,
    /// Target of a hard or symbolic link.
    pub(crate) link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since the epoch and nanoseconds.
    pub(crate) mtime: (i64, u32),
    pub(crate) device: (u32, u32),
    /// Bytes of the file when unpacked.
    pub(crate) size: u64,
    /// Names without `SCHILY.xattr.`.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the data goes, in order; none for a plain file.
    pub(crate) sparse: Option<Vec<Segment>>,
}
