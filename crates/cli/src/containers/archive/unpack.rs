//! Unpacks what a container gives, without leaving the folder that was named.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::{Counting, Placement};
use crate::error::{CliError, Result};

/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

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
