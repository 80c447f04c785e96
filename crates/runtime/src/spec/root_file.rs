//! Reading and making things in a container's root without being led astray by it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::SpecError;

/// Largest file that is read from a container.
const LARGEST: u64 = 1 << 20;

/// The text of a file in a root, or nothing where there is no file. Symbolic links are followed within the root; only
/// a regular file of at most 1 MiB is read, and opening it can't block.
pub(crate) fn read(root: &Path, path: &str) -> Result<Option<String>, SpecError> {
    let wrong = |reason: String| SpecError::RootFile {
        path: format!("/{path}"),
        reason,
    };
    let folder = open_root(root).map_err(|error| wrong(error.to_string()))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve());
    let file = match opened {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(wrong(errno.to_string())),
    };
    let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!("larger than {LARGEST} bytes")));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Makes a folder and its parents in a root (0755, root's), where missing.
pub(crate) fn make_folder(root: &Path, path: &str) -> Result<(), SpecError> {
    let wrong = |errno: rustix::io::Errno| SpecError::RootFile {
        path: path.to_owned(),
        reason: errno.to_string(),
    };
    let top = open_root(root).map_err(wrong)?;
    let mut done = String::new();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        let parent = if done.is_empty() {
            ".".to_owned()
        } else {
            done.clone()
        };
        done = if done.is_empty() {
            part.to_owned()
        } else {
            format!("{done}/{part}")
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat2(&top, done.as_str(), flags, Mode::empty(), resolve()) {
            Ok(_) => {}
            Err(rustix::io::Errno::NOENT) => {
                let parent =
                    rustix::fs::openat2(&top, parent.as_str(), flags, Mode::empty(), resolve())
                        .map_err(wrong)?;
                match rustix::fs::mkdirat(parent.as_fd(), part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(wrong(errno)),
                }
            }
            Err(errno) => return Err(wrong(errno)),
        }
    }
    Ok(())
}

fn open_root(root: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn resolve() -> ResolveFlags {
    ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn stays_in_the_root() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("passwd"), "host").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("etc")).unwrap();
        assert!(read(root.path(), "etc/passwd").unwrap().is_none());
        symlink("../../../../../real", root.path().join("up")).unwrap();
        std::fs::write(root.path().join("real"), "ours").unwrap();
        assert_eq!(read(root.path(), "up").unwrap().as_deref(), Some("ours"));
    }

    #[test]
    fn refuses_what_is_no_plain_file() {
        let root = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        std::fs::create_dir(root.path().join("folder")).unwrap();
        let file = File::create(root.path().join("huge")).unwrap();
        file.set_len(LARGEST + 1).unwrap();
        for name in ["fifo", "folder", "huge"] {
            assert!(
                matches!(read(root.path(), name), Err(SpecError::RootFile { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn makes_folders_within() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        make_folder(root.path(), "/a/b/c").unwrap();
        assert!(root.path().join("a/b/c").is_dir());
        assert!(make_folder(root.path(), "/out/x").is_err() || !outside.path().join("x").exists());
        assert!(!outside.path().join("x").exists());
    }
}
