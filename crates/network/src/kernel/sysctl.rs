//! Settings under `/proc/sys`. Those of `net/` are the calling thread's network namespace's.

use std::path::{Path, PathBuf};

use crate::NetworkError;

/// Writes `value` to the setting, unless it has that value already (so a read-only `/proc/sys` with the right
/// settings will do).
pub(crate) fn set(setting: &str, value: &str) -> Result<(), NetworkError> {
    if is(setting, value) {
        return Ok(());
    }
    let path = path(setting);
    std::fs::write(&path, value).map_err(|source| NetworkError::File {
        what: "write",
        path,
        source,
    })
}

/// Whether the setting has that value.
pub(crate) fn is(setting: &str, value: &str) -> bool {
    std::fs::read_to_string(path(setting)).is_ok_and(|now| now.trim_end() == value)
}

/// Like [`set`], where the kernel may lack the setting: a kernel without IPv6 has no IPv6 to switch off.
pub(crate) fn set_if_present(setting: &str, value: &str) -> Result<(), NetworkError> {
    match set(setting, value) {
        Err(NetworkError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(())
        }
        other => other,
    }
}

fn path(setting: &str) -> PathBuf {
    Path::new("/proc/sys").join(setting)
}
