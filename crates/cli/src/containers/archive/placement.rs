//! Where copied things go, and under which name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};
use crate::output::place::Place;

/// Where copied things go, as docker decides: into an existing folder, or under a new name.
#[derive(Debug, PartialEq, Eq)]
pub struct Placement {
    /// The folder they go into.
    pub folder: PathBuf,
    /// Their top-level name there; none where only the content of a folder is copied (`dir/.`).
    pub name: Option<PathBuf>,
    pub(super) follow: bool,
}

/// The last name of a path, and whether only a folder's content is meant.
fn base(path: &str) -> (Option<&str>, bool) {
    let content = path == "." || path.ends_with("/.");
    let name = path
        .trim_end_matches("/.")
        .trim_end_matches('/')
        .rsplit('/')
        .next();
    (
        name.filter(|name| !name.is_empty() && *name != "." && *name != ".."),
        content,
    )
}

impl Placement {
    /// For a copy of `source` from a container to the local `destination`.
    pub fn local(source: &str, source_is_dir: bool, destination: &str) -> Result<Placement> {
        let exists = match Place::at(Path::new(destination))? {
            Place::Free => None,
            Place::Folder => Some(true),
            // What a link points to is written, and the link stays.
            Place::File(real) if !source_is_dir => {
                return Ok(Placement {
                    folder: real.parent().unwrap_or(&real).to_owned(),
                    name: real.file_name().map(PathBuf::from),
                    follow: false,
                });
            }
            Place::File(_) => Some(false),
        };
        let placement = place(source, source_is_dir, destination, exists, false)?;
        if !placement.folder.is_dir() {
            return Err(CliError::invalid(format!(
                "invalid output path: directory {:?} does not exist",
                placement.folder
            )));
        }
        Ok(placement)
    }

    /// For a copy of the local `source` to `destination` in a container, where that is a folder, something else, or
    /// (none) not there.
    pub fn remote(
        source: &Path,
        follow: bool,
        destination: &str,
        is_dir: Option<bool>,
    ) -> Result<Placement> {
        let text = source.to_string_lossy();
        // `link/` means what the link points to.
        let followed = follow || text.ends_with('/') || text.ends_with("/.");
        let metadata = if followed {
            fs::metadata(source)
        } else {
            fs::symlink_metadata(source)
        };
        let metadata = metadata.map_err(CliError::file("copy", source))?;
        let name = match base(&text) {
            // `.` and `..` have their names on disk.
            (None, _) => fs::canonicalize(source)
                .ok()
                .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
            (Some(name), _) => Some(name.to_owned()),
        };
        let (_, content) = base(&text);
        let name = name.unwrap_or_default();
        let shown = if content { format!("{name}/.") } else { name };
        place(&shown, metadata.is_dir(), destination, is_dir, followed)
    }
}

fn place(
    source: &str,
    source_is_dir: bool,
    destination: &str,
    exists: Option<bool>,
    follow: bool,
) -> Result<Placement> {
    let (name, content) = base(source);
    let target = Path::new(destination);
    let parent = || match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    let renamed = || base(destination).0.map(PathBuf::from);
    match exists {
        Some(true) => Ok(Placement {
            folder: target.to_owned(),
            name: if content && source_is_dir {
                None
            } else {
                name.map(PathBuf::from)
            },
            follow,
        }),
        Some(false) if source_is_dir => Err(CliError::invalid(format!(
            "cannot copy directory to {destination}: it is a file"
        ))),
        None if !source_is_dir && destination.ends_with('/') => Err(CliError::invalid(format!(
            "destination directory does not exist: {destination}"
        ))),
        _ => Ok(Placement {
            folder: parent(),
            name: renamed(),
            follow,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(source: &str, is_dir: bool, destination: &str, exists: Option<bool>) -> String {
        match place(source, is_dir, destination, exists, false) {
            Ok(placement) => format!("{} {:?}", placement.folder.display(), placement.name),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn things_go_where_docker_puts_them() {
        assert_eq!(placed("/a/f", false, "/d", Some(true)), "/d Some(\"f\")");
        assert_eq!(placed("/a/f", false, "/d/g", None), "/d Some(\"g\")");
        assert_eq!(placed("/a/f", false, "g", Some(false)), ". Some(\"g\")");
        assert_eq!(placed("/a/dir/.", true, "/d", Some(true)), "/d None");
        assert_eq!(placed("/a/dir", true, "/d/new", None), "/d Some(\"new\")");
        assert_eq!(placed("/a/dir/.", true, "/d/new", None), "/d Some(\"new\")");
        assert!(placed("/a/f", false, "/d/", None).contains("does not exist"));
        assert!(placed("/a/dir", true, "/d", Some(false)).contains("cannot copy directory"));
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_no_destination() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(Placement::local("/f", false, &socket.to_string_lossy()).is_err());
    }
}
