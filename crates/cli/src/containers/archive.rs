//! Archives of `cp`: what is packed under which names, and unpacked without leaving its folder.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::error::{CliError, Result};
use crate::output::place::Place;

/// Where copied things go, as docker decides: into an existing folder, or under a new name.
#[derive(Debug, PartialEq, Eq)]
pub struct Placement {
    /// The folder they go into.
    pub folder: PathBuf,
    /// Their top-level name there; none where only the content of a folder is copied (`dir/.`).
    pub name: Option<PathBuf>,
    follow: bool,
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

/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

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

/// Unpacks an archive whose entries share one top-level name, which becomes the placement's; the archive's bytes.
/// Nothing is written outside the placement's folder, whatever the archive's names and links say, and nothing but files
/// and links is replaced. Without `ownership` all is the person's, and then nobody else may act as them: the bits that
/// would let others are left out.
pub fn unpack(reader: impl Read, placement: &Placement, ownership: bool) -> Result<u64> {
    let unwanted = if ownership { 0 } else { SET_ID };
    let mut reader = Counting {
        inner: reader,
        bytes: 0,
    };
    let mut archive = tar::Archive::new(&mut reader);
    archive.set_preserve_ownerships(ownership);
    archive.set_mask(unwanted);
    let wrong = |error: io::Error| CliError::file("unpack into", &placement.folder)(error);
    // A folder's own mode could forbid to fill it: they are done last.
    let mut folders = Vec::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        entry.set_preserve_permissions(true);
        let Some(relative) = renamed(&entry.path().map_err(wrong)?, placement) else {
            return Err(refused(
                &entry.path().map_err(wrong)?,
                "its name leads out of the destination",
            ));
        };
        let target = placement.folder.join(&relative);
        within(&placement.folder, &relative)?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                if !fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_dir()) {
                    fs::create_dir(&target).map_err(CliError::file("create", &target))?;
                }
                folders.push((target, entry.header().mode().unwrap_or(0o755) & !unwanted));
            }
            tar::EntryType::Link => {
                let named = entry.link_name().map_err(wrong)?.unwrap_or_default();
                let Some(existing) = renamed(&named, placement) else {
                    return Err(refused(&named, "a hard link leads out of the destination"));
                };
                within(&placement.folder, &existing)?;
                replaceable(&target)?;
                let _ = fs::remove_file(&target);
                fs::hard_link(placement.folder.join(existing), &target)
                    .map_err(CliError::file("create", &target))?;
            }
            _ => {
                replaceable(&target)?;
                entry
                    .unpack(&target)
                    .map_err(|error| CliError::file("create", &target)(reason(error)))?;
            }
        }
    }
    for (folder, mode) in folders.into_iter().rev() {
        set_mode(&folder, mode).map_err(CliError::file("set the mode of", &folder))?;
    }
    Ok(reader.bytes)
}

/// The reason within `tar`'s error, whose own words repeat the names.
fn reason(error: io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.source())
        .map(ToString::to_string);
    match inner {
        Some(inner) => io::Error::new(error.kind(), inner),
        None => error,
    }
}

/// Unpacking takes away what is in the way; that must not be a device.
fn replaceable(target: &Path) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(there) if there.is_file() || there.is_symlink() || there.is_dir() => Ok(()),
        Ok(_) => Err(refused(
            target,
            "what is there is a device, a socket or a pipe, and is not replaced",
        )),
        Err(_) => Ok(()),
    }
}

fn refused(path: &Path, why: &str) -> CliError {
    CliError::invalid(format!(
        "{}: {why}",
        crate::output::printable(&path.to_string_lossy())
    ))
}

/// An entry's path with its top-level name (`.` where a folder's content was asked for) replaced; none where it would
/// leave its folder.
fn renamed(path: &Path, placement: &Placement) -> Option<PathBuf> {
    let mut relative = placement.name.clone().unwrap_or_default();
    let below = path
        .components()
        .skip_while(|component| *component == Component::RootDir)
        .skip(1);
    if path
        .components()
        .any(|component| matches!(component, Component::ParentDir | Component::Prefix(_)))
    {
        return None;
    }
    relative.extend(below.map(Component::as_os_str));
    Some(relative)
}

/// Whether all folders on the way to `relative` are real ones: an archive could have put a link there.
fn within(folder: &Path, relative: &Path) -> Result<()> {
    let mut path = folder.to_owned();
    for name in relative.parent().into_iter().flat_map(Path::components) {
        path.push(name);
        let metadata = fs::symlink_metadata(&path).map_err(CliError::file("unpack into", &path))?;
        if !metadata.is_dir() {
            return Err(refused(
                &path,
                "an entry of the archive would go through what is no folder",
            ));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
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

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            // By hand: the builder refuses names that an attacker would use.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if kind.is_file() {
                header.set_size(content.len() as u64);
                header.set_cksum();
                builder.append(&header, content.as_bytes()).unwrap();
            } else {
                header.as_gnu_mut().unwrap().linkname[..content.len()]
                    .copy_from_slice(content.as_bytes());
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, io::empty()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(entries: &[(&str, tar::EntryType, &str)]) -> (tempfile::TempDir, Result<u64>) {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        fs::create_dir(&inside).unwrap();
        let placement = Placement {
            folder: inside,
            name: Some("new".into()),
            follow: false,
        };
        let bytes = archive(entries);
        let result = unpack(bytes.as_slice(), &placement, false);
        (dir, result)
    }

    #[test]
    fn a_tree_is_unpacked_under_its_new_name() {
        use tar::EntryType as T;
        let (dir, result) = unpacked(&[
            ("old/", T::Directory, ""),
            ("old/f", T::Regular, "hello"),
            ("old/hard", T::Link, "old/f"),
            ("old/soft", T::Symlink, "/etc"),
        ]);
        assert!(result.unwrap() > 0);
        assert_eq!(
            fs::read_to_string(dir.path().join("in/new/hard")).unwrap(),
            "hello"
        );
        assert!(
            fs::symlink_metadata(dir.path().join("in/new/soft"))
                .unwrap()
                .is_symlink()
        );
    }

    #[cfg(unix)]
    #[test]
    fn nobody_is_given_the_persons_rights() {
        use std::os::unix::fs::PermissionsExt;
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o6755);
        header.set_size(1);
        header.set_cksum();
        builder.append_data(&mut header, "old", &b"x"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let placement = Placement {
            folder: dir.path().to_owned(),
            name: Some("new".into()),
            follow: false,
        };
        unpack(bytes.as_slice(), &placement, false).unwrap();
        let mode = fs::metadata(dir.path().join("new")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o755);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_stays() {
        use tar::EntryType as T;
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let placement = Placement {
            folder: dir.path().to_owned(),
            name: Some("s".into()),
            follow: false,
        };
        for entry in [("old", T::Regular, "x"), ("old", T::Symlink, "x")] {
            let bytes = archive(&[entry]);
            let error = unpack(bytes.as_slice(), &placement, false).unwrap_err();
            assert!(error.to_string().contains("not replaced"), "{error}");
        }
        assert!(!fs::symlink_metadata(&socket).unwrap().is_file());
        let text = socket.to_string_lossy();
        assert!(Placement::local("/f", false, &text).is_err());
    }

    #[test]
    fn no_entry_leaves_the_destination() {
        use tar::EntryType as T;
        for entries in [
            &[("../out", T::Regular, "x")][..],
            &[
                ("old/", T::Directory, ""),
                ("old/../../out", T::Regular, "x"),
            ],
            &[
                ("old/", T::Directory, ""),
                ("old/l", T::Symlink, "../../"),
                ("old/l/out", T::Regular, "x"),
            ],
            &[("old", T::Link, "../../etc/passwd")],
        ] {
            let (dir, result) = unpacked(entries);
            assert!(result.is_err());
            assert!(!dir.path().join("out").exists());
        }
    }
}
