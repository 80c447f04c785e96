//! A folder as a root: no path, link or race leads out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

/// How many symbolic links one path may go through, as in the kernel.
const LINKS: usize = 40;
/// How often a look-up is tried again that a rename got in the way of.
const TRIES: usize = 64;

/// A root.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// What is opened, but not followed or read.
pub(crate) const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A folder to work in.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// The folder `path` of the host, which is trusted, as a root.
    pub fn open(path: &Path) -> Result<Root, Errno> {
        let fd = rustix::fs::openat(CWD, path, FOLDER, Mode::empty())?;
        Ok(Root { fd })
    }

    /// Opens `path`, absolute or relative to the root; symbolic links and `..` end at the root.
    pub fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        in_root(self.fd.as_fd(), path, flags)
    }

    /// Opens a folder to work in, following links.
    pub fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_at(path, FOLDER)
    }

    /// What lies at `path`, a link itself if it is one.
    pub fn look(&self, path: &Path) -> Result<Stat, Errno> {
        let fd = self.open_at(path, LOOK)?;
        statat(&fd, "", AtFlags::EMPTY_PATH)
    }

    /// Where `path` leads: an absolute path in the root without links. What doesn't exist is taken as it is named.
    ///
    /// For telling people, and for finding what a path belongs to; each later use is resolved again by the kernel.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, Errno> {
        let mut done = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&part);
            let link = match self.look(&next) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode) == FileType::Symlink,
                Err(Errno::NOENT | Errno::NOTDIR) => false,
                Err(errno) => return Err(errno),
            };
            if !link {
                done = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP);
            }
            let target = self.read_link(&next)?;
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(part);
            }
        }
        Ok(done)
    }

    /// A copy of the mount at `path`, to be mounted elsewhere: the very thing that was looked up, whatever the path leads
    /// to by then.
    pub fn detached(&self, path: &Path, recursive: bool) -> Result<OwnedFd, Errno> {
        let part = self.open_at(path, OFlags::PATH)?;
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        if recursive {
            flags |= OpenTreeFlags::AT_RECURSIVE;
        }
        open_tree(&part, c"", flags)
    }

    /// The target of the link at `path`.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf, Errno> {
        let fd = self.open_at(path, LOOK)?;
        link_target(fd.as_fd())
    }

    /// Makes the folders of `path` that are missing (mode 0755) and opens the last one.
    pub fn make_folders(&self, path: &Path) -> Result<OwnedFd, Errno> {
        match self.folder(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        // Through a dangling link the folder is made where the link points, as the kernel would for a file.
        let path = self.resolve(path)?;
        let mut at = self.folder(Path::new("/"))?;
        for part in parts(&path) {
            match mkdirat(&at, &part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            at = below(at.as_fd(), &part, FOLDER | OFlags::NOFOLLOW)?;
        }
        Ok(at)
    }
}

/// The names in a path, and `..`, without `.` and the root.
fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

/// The target of the link that `fd` (an `O_PATH`) is.
pub(crate) fn link_target(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let target = readlinkat(fd, "", Vec::new())?;
    Ok(PathBuf::from(
        <OsString as std::os::unix::ffi::OsStringExt>::from_vec(target.into_bytes()),
    ))
}

/// Opens one name in a folder, without leaving it.
pub(crate) fn below(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

fn in_root(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // The kernel can't vouch for a `..` while somebody renames: ask again.
            Err(Errno::AGAIN | Errno::INTR) if tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join("root").join(path);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/file"), "inside").unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        symlink("/a", at("absolute")).unwrap();
        symlink("../../../../secret", at("out")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/new/place", at("dangling")).unwrap();
        let root = Root::open(&dir.path().join("root")).unwrap();
        (dir, root)
    }

    #[test]
    fn links_end_at_the_root() {
        let (_dir, root) = tree();
        let resolve = |path: &str| root.resolve(Path::new(path));
        assert_eq!(resolve("/absolute/b/file").unwrap(), Path::new("/a/b/file"));
        assert_eq!(resolve("/a/../../../a/b").unwrap(), Path::new("/a/b"));
        assert_eq!(resolve("/out").unwrap(), Path::new("/secret"));
        assert_eq!(resolve("/dangling/x").unwrap(), Path::new("/new/place/x"));
        assert_eq!(resolve("/loop").unwrap_err(), Errno::LOOP);
        assert_eq!(
            root.open_at(Path::new("/out"), OFlags::RDONLY).unwrap_err(),
            Errno::NOENT
        );
        assert!(
            root.open_at(Path::new("/absolute/b/file"), OFlags::RDONLY)
                .is_ok()
        );
    }

    #[test]
    fn folders_are_made_inside_only() {
        let (dir, root) = tree();
        root.make_folders(Path::new("/dangling/x")).unwrap();
        assert!(dir.path().join("root/new/place/x").is_dir());
        root.make_folders(Path::new("/out/y")).unwrap();
        assert!(dir.path().join("root/secret/y").is_dir());
        assert_eq!(
            std::fs::read_to_string(dir.path().join("secret")).unwrap(),
            "outside"
        );
        assert_eq!(
            root.make_folders(Path::new("/a/b/file")).unwrap_err(),
            Errno::NOTDIR
        );
    }
}
