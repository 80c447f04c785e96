//! The one call of the log's reader that the compiler can't check.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the reactor tell when `watch` can be read.
pub(super) fn watched(watch: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `OwnedFd` keeps its one descriptor open until it is dropped, `as_raw_fd` always gives that one, and the
    // `AsyncFd` owns it: nothing else can close or replace it while it is registered.
    Ok(unsafe { AsyncFd::register_with_interest(watch, Interest::READABLE) }?)
}
