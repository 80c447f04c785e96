//! Archives of `cp`: what is packed under which names, and unpacked without leaving its folder.

mod placement;
mod unpack;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub use placement::Placement;
pub use unpack::unpack;

use crate::error::{CliError, Result};

/// Packs `source` under its placement's name; the archive's bytes.
pub fn pack(source: &Path, placement: &Placement, out: impl Write) -> Result<u64> {
    let counting = Counting {
        inner: out,
        bytes: 0,
    };
    let mut builder = tar::Builder::new(counting);
    builder.follow_symlinks(placement.follow);
    let name = placement.name.clone().unwrap_or_else(|| PathBuf::from("."));
    let metadata = if placement.follow {
        fs::metadata(source)
    } else {
        fs::symlink_metadata(source)
    };
    let metadata = metadata.map_err(CliError::file("copy", source))?;
    let packed = if metadata.is_dir() {
        builder.follow_symlinks(false);
        builder.append_dir_all(&name, source)
    } else {
        builder.append_path_with_name(source, &name)
    };
    packed
        .and_then(|()| builder.into_inner())
        .map(|counting| counting.bytes)
        .map_err(CliError::file("copy", source))
}

struct Counting<T> {
    inner: T,
    bytes: u64,
}

impl<T: Write> Write for Counting<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Counting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
