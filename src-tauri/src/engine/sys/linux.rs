//! inotify.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// A watch on one path.
pub struct PathWatch {
    inotify: AsyncFd<OwnedFd>,
}

impl PathWatch {
    /// Watches `path`, which must exist: a file for what is written to it, a folder for what appears in it.
    pub fn new(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(
            &inotify,
            path,
            WatchFlags::MODIFY
                | WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::ATTRIB
                | WatchFlags::DELETE_SELF,
        )?;
        // SAFETY: `OwnedFd` owns the descriptor and always answers the same one; it is neither replaced nor closed
        // while the `AsyncFd` holds it, which deregisters it before it is dropped.
        let inotify = unsafe { AsyncFd::register(inotify) }?;
        Ok(Self { inotify })
    }

    /// Waits until something has changed since the last call (or since [`PathWatch::new`]).
    pub async fn changed(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| {
                let mut reader = inotify::Reader::new(inotify.get_ref(), &mut buffer);
                reader.next()?;
                // The rest of what has gathered says nothing new.
                while reader.next().is_ok() {}
                Ok(())
            });
            if let Ok(result) = read {
                return result;
            }
        }
    }
}
