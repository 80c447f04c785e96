//! System calls that no crate of ours has in safe form.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

/// Watches a descriptor.
pub fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open and owned, and always names itself.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}

/// Brings the clock forward by so many microseconds, slowly (adjtime(3)).
pub fn slew(micros: i64) -> io::Result<()> {
    // SAFETY: the structure is integers, for which zero is a value.
    let mut adjustment: libc::timex = unsafe { std::mem::zeroed() };
    adjustment.modes = libc::ADJ_OFFSET_SINGLESHOT;
    adjustment.offset = micros as libc::c_long;
    // SAFETY: the structure lives through the call.
    match unsafe { libc::adjtimex(&raw mut adjustment) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// `struct fstrim_range` of `linux/fs.h`.
#[repr(C)]
struct TrimRange {
    start: u64,
    length: u64,
    least: u64,
}

/// `_IOWR('X', 121, struct fstrim_range)`
const FITRIM: u64 = 0xc018_5879;

/// Discards all free blocks of the file system that `folder` is in; how many bytes.
pub fn trim(folder: &File) -> io::Result<u64> {
    let mut range = TrimRange {
        start: 0,
        length: u64::MAX,
        least: 0,
    };
    // SAFETY: the request reads and writes the structure that it is defined for, which lives through the call.
    match unsafe { libc::ioctl(folder.as_raw_fd(), FITRIM as _, &raw mut range) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(range.length),
    }
}

/// Sends a signal to a process.
pub fn signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes no pointer.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What a terminal sends, and a shell expects to find as it is by itself.
const OF_TERMINALS: [libc::c_int; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Makes the program the leader of a session whose terminal is its standard input.
pub fn on_own_terminal(command: &mut Command) {
    // SAFETY: between fork and exec only the system calls sigaction, setsid and ioctl are made, and nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            for signal in OF_TERMINALS {
                libc::signal(signal, libc::SIG_DFL);
            }
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        });
    }
}
