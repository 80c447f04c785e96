//! System calls about signals and processes that no crate of ours has in safe form.

use std::io;
use std::mem::zeroed;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::ptr;
use std::time::Duration;

/// What process 1 is told by signals.
const HEARD: [libc::c_int; 3] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT];

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A process ended.
    Child,
    /// The machine is to power off.
    PowerOff,
    /// The machine is to start anew.
    Restart,
}

/// Keeps the signals for [`listen`]. Before the first thread is started: one that didn't keep them would get them.
pub fn keep_signals() -> io::Result<()> {
    let set = heard();
    // SAFETY: the set lives through the call; the old one isn't asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// The next signal, or none within `limit`.
pub fn listen(limit: Option<Duration>) -> Option<Heard> {
    let set = heard();
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: set and time live through the call; what else is to be known of the signal isn't asked for.
    match unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), limit) } {
        libc::SIGCHLD => Some(Heard::Child),
        libc::SIGTERM => Some(Heard::PowerOff),
        libc::SIGINT => Some(Heard::Restart),
        _ => None,
    }
}

/// Lets a program begin with no signal blocked, in a session of its own, and killed after others where memory runs out
/// (`oom_score` as of proc(5)).
pub fn as_service(command: &mut Command, oom_score: i16) {
    let score = format!("{oom_score}");
    // SAFETY: between fork and exec only async-signal-safe calls are made (sigprocmask, setsid, open, write, close),
    // and nothing is allocated: the score's text was made before.
    unsafe {
        command.pre_exec(move || {
            let mut none: libc::sigset_t = zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            libc::setsid();
            let file = libc::open(
                c"/proc/self/oom_score_adj".as_ptr(),
                libc::O_WRONLY | libc::O_CLOEXEC,
            );
            if file >= 0 {
                libc::write(file, score.as_ptr().cast(), score.len());
                libc::close(file);
            }
            Ok(())
        });
    }
}

/// Sends a signal to every process but this one.
pub fn signal_all(signal: libc::c_int) {
    // SAFETY: takes no pointer. That there is no other process is no error to anyone.
    unsafe { libc::kill(-1, signal) };
}

/// Sends a signal to one process.
pub fn signal(pid: i32, signal: libc::c_int) {
    // SAFETY: takes no pointer. A process that is gone needs none.
    unsafe { libc::kill(pid, signal) };
}

fn heard() -> libc::sigset_t {
    // SAFETY: a signal set is integers, for which zero is a value; it is emptied, then filled with signals that exist.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in HEARD {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}
