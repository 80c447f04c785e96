//! kqueue.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::time::Duration;

use rustix::event::kqueue::{self, Event, EventFilter, EventFlags, VnodeEvents};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A watch on one path.
pub struct PathWatch {
    queue: AsyncFd<OwnedFd>,
    // Closed after the queue that refers to it.
    _watched: File,
}

impl PathWatch {
    /// Watches `path`, which must exist: a file for what is written to it, a folder for what appears in it.
    pub fn new(path: &Path) -> io::Result<Self> {
        let watched = File::open(path)?;
        let queue = kqueue::kqueue()?;
        let changes = EventFilter::Vnode {
            vnode: watched.as_raw_fd(),
            flags: VnodeEvents::WRITE
                | VnodeEvents::EXTEND
                | VnodeEvents::ATTRIBUTES
                | VnodeEvents::DELETE,
        };
        let change = Event::new(
            changes,
            EventFlags::ADD | EventFlags::CLEAR,
            ptr::null_mut(),
        );
        let nothing: &mut [MaybeUninit<Event>] = &mut [];
        // SAFETY: the watched descriptor is kept in `Self` beside the queue, and closed after it.
        unsafe { kqueue::kevent(&queue, &[change], nothing, None) }?;
        // SAFETY: `OwnedFd` owns the descriptor and always answers the same one; it is neither replaced nor closed
        // while the `AsyncFd` holds it, which deregisters it before it is dropped.
        let queue = unsafe { AsyncFd::register_with_interest(queue, Interest::READABLE) }?;
        Ok(Self {
            queue,
            _watched: watched,
        })
    }

    /// Waits until something has changed since the last call (or since [`PathWatch::new`]).
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.queue.readable().await?;
            let read = ready.try_io(|queue| {
                let mut buffer = [MaybeUninit::<Event>::uninit(); 8];
                // SAFETY: as in `new`; nothing is added here.
                let (told, _) = unsafe {
                    kqueue::kevent(queue.get_ref(), &[], &mut buffer, Some(Duration::ZERO))
                }?;
                if told.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            if let Ok(result) = read {
                return result;
            }
        }
    }
}
