//! Files of a share that were changed on the host: virtiofs tells no watcher of the guest's.
//!
//! What the guest does itself is told, though: setting a file's time of change, alone, to what
//! it is raises `IN_MODIFY` at the file and its folder (`fsnotify_change` in
//! `include/linux/fsnotify.h`; both times together would raise only `IN_ATTRIB`), and setting a folder's mode to
//! what it is raises `IN_ATTRIB`. A file that is gone is told of at its folder.
//! The host sees a change of attributes (not of content) in return, which its own watcher must pass over.

use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, RawMode, Timespec, Timestamps, UTIME_OMIT, chmodat, statat,
    utimensat,
};

/// Whether watchers were told.
pub fn touch(path: &Path) -> bool {
    if !path.is_absolute() {
        return false;
    }
    tell(path) || path.parent().is_some_and(tell)
}

fn tell(path: &Path) -> bool {
    let Ok(now) = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    match FileType::from_raw_mode(now.st_mode) {
        FileType::RegularFile => {
            let times = Timestamps {
                last_access: Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_OMIT,
                },
                last_modification: Timespec {
                    tv_sec: now.st_mtime,
                    tv_nsec: now.st_mtime_nsec as _,
                },
            };
            utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        }
        FileType::Directory => {
            let mode = Mode::from_raw_mode(now.st_mode as RawMode & 0o7777);
            chmodat(CWD, path, mode, AtFlags::empty()).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::inotify::{self, ReadFlags, WatchFlags};

    use super::*;

    #[test]
    fn watchers_hear_of_files_and_folders_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, folder.path(), WatchFlags::ALL_EVENTS).unwrap();
        let heard = || {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(&watch, &mut buffer);
            let mut heard = Vec::new();
            while let Ok(event) = reader.next() {
                heard.push((
                    event.events(),
                    event.file_name().map(|name| name.to_owned()),
                ));
            }
            heard
        };
        assert!(touch(&file));
        let events = heard();
        assert!(
            matches!(&events[..], [(flags, Some(name))] if *flags == ReadFlags::MODIFY && name.to_bytes() == b"file"),
            "{events:?}"
        );
        assert_eq!(
            std::fs::metadata(&file).unwrap().modified().unwrap(),
            before
        );
        // One that was removed.
        assert!(touch(&folder.path().join("gone")));
        let events = heard();
        assert!(
            matches!(&events[..], [(flags, None)] if flags.contains(ReadFlags::ATTRIB)),
            "{events:?}"
        );
        assert!(!touch(Path::new("relative")));
        assert!(!touch(Path::new("/nonexistent/a/b")));
        // A link is not followed to where it leads.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        heard();
        touch(&link);
        assert!(
            heard()
                .iter()
                .all(|(flags, _)| !flags.contains(ReadFlags::MODIFY))
        );
    }
}
