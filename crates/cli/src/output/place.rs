//! What a path names that a person wants something written to. Only files are ever replaced: putting a new file in the
//! place of `/dev/null` would break the machine.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};

/// What is at a path, links followed.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing yet.
    Free,
    /// A file, by the path that no link is on the way of.
    File(PathBuf),
    /// A folder.
    Folder,
}

impl Place {
    /// Looks at `path`. What is none of these is an error: a device, a socket, a pipe, a link that leads nowhere.
    pub fn at(path: &Path) -> Result<Place> {
        let refused = |what: &str| {
            CliError::invalid(format!(
                "{}: it is {what}, which is not replaced by a file. Name a file, or redirect standard output there",
                path.display()
            ))
        };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Place::Folder),
            Ok(found) if found.is_file() => fs::canonicalize(path)
                .map(Place::File)
                .map_err(CliError::file("find", path)),
            Ok(_) => Err(refused("a device, a socket or a pipe")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if fs::symlink_metadata(path).is_ok() {
                    return Err(refused("a link that leads nowhere"));
                }
                Ok(Place::Free)
            }
            Err(error) => Err(CliError::file("look at", path)(error)),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_and_what_is_free_may_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "x").unwrap();
        symlink("file", path("link")).unwrap();
        symlink("nowhere", path("broken")).unwrap();
        symlink("/dev/null", path("null")).unwrap();
        let real = fs::canonicalize(path("file")).unwrap();
        assert_eq!(Place::at(&path("free")).unwrap(), Place::Free);
        assert_eq!(Place::at(dir.path()).unwrap(), Place::Folder);
        assert_eq!(Place::at(&path("link")).unwrap(), Place::File(real));
        for name in ["broken", "null"] {
            let error = Place::at(&path(name)).unwrap_err().to_string();
            assert!(error.contains("not replaced"), "{error}");
        }
    }
}
