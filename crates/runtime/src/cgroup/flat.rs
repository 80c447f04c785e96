//! The kernel's small text files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Lines of a name and a number; other lines are passed over.
pub(super) fn keyed(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

/// As [`keyed`], from a file; one that isn't there has no lines.
pub(super) fn read_keyed(path: &Path) -> io::Result<BTreeMap<String, u64>> {
    Ok(keyed(&read(path)?))
}

/// A file's text; one that isn't there, or whose group has just gone, is empty.
pub(super) fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if is_gone(&error) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Reading a file of a group that was removed while it was open says "no such device".
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}
