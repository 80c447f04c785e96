//! The one system call of copying that Rust can't make safe.

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a mount namespace, root and working directory of its own.
///
/// Meant for threads that end with their work: the thread can't be given back to a pool.
pub(super) fn own_mounts() -> io::Result<()> {
    // SAFETY: the danger of unshare(2) is CLONE_FILES, after which threads disagree about descriptors. Neither flag
    // here touches the table of descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    Ok(())
}
