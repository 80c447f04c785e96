//! Removing a folder of hostile depth: no recursion, a bounded number of open files, no link followed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Deeper folders are first moved up.
const MAX_DEPTH: usize = 64;

/// Removes `name` in `parent` with all that is in it. It is no error that nothing is there.
pub(crate) fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let top = open_dir(parent, name)?;
    let mut moved = 0u64;
    loop {
        let before = moved;
        empty(&top, &mut moved)?;
        if moved == before {
            break;
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// [`remove_tree`] by path.
pub(crate) fn remove_path(path: &std::path::Path) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| Errno::INVAL)?;
    remove_tree(CWD, &path)
}

fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Empties `top` depth first. What lies too deep is moved into `top` and counted: the caller comes again for it.
fn empty(top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    struct Level {
        dir: Dir,
        name: CString,
    }
    let mut levels = vec![Level {
        dir: Dir::read_from(top)?,
        name: CString::default(),
    }];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.dir.read() else {
            if let Some(done) = levels.pop()
                && let Some(above) = levels.last()
            {
                rustix::fs::unlinkat(above.dir.fd()?, &done.name, AtFlags::REMOVEDIR)?;
            }
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let here = level.dir.fd()?;
        if entry.file_type() != FileType::Directory {
            match rustix::fs::unlinkat(here, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => {}
                result => {
                    result?;
                    continue;
                }
            }
        }
        let name = name.to_owned();
        if levels.len() < MAX_DEPTH {
            let below = open_dir(levels[levels.len() - 1].dir.fd()?, &name)?;
            levels.push(Level {
                dir: Dir::read_from(below.as_fd())?,
                name,
            });
        } else {
            *moved = move_up(levels[levels.len() - 1].dir.fd()?, &name, top, *moved)?;
        }
    }
    Ok(())
}

fn move_up(
    from: BorrowedFd<'_>,
    name: &CStr,
    top: &OwnedFd,
    mut number: u64,
) -> Result<u64, Errno> {
    loop {
        number += 1;
        let free = CString::new(format!(".gantry-deep-{number}")).map_err(|_| Errno::INVAL)?;
        match rustix::fs::renameat_with(from, name, top, &free, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(number),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}
