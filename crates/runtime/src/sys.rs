//! Kernel calls that neither the standard library nor `rustix` offers.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The caller; the child's process id.
    Parent(i32),
    /// The new process.
    Child,
}

/// Forks. Only for processes with a single thread: the shim and its workers.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the process has one thread, so no lock is held by another at this moment.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends the process at once: no destructors, no flushing of what a fork has copied.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Blocks `SIGCHLD` and returns a descriptor that is readable when one is pending; ignores what would end the shim
/// by accident.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by `sigemptyset`; the descriptor is new and owned here.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGPIPE,
        ] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Gives every signal its default and unblocks all: what the engine or shim ignored must not reach a container.
pub(crate) fn reset_signals() {
    // By the system call itself: the C library keeps its hands on the two signals of its threads, which an ancestor
    // may have ignored just as well.
    let default = [0usize; 4];
    let none = 0u64;
    let size = size_of::<u64>();
    // SAFETY: the kernel's `sigaction` is at most as large as `default`, where 0 is the default action, no flags and an
    // empty mask; the set is `size` bytes. Nothing is written back.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<usize>(),
                size,
            );
        }
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            std::ptr::null_mut::<u64>(),
            size,
        );
    }
}

/// Replaces the process. Returns only a failure.
pub(crate) fn execve(path: &CString, arguments: &[CString], environment: &[CString]) -> io::Error {
    let list = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts
            .iter()
            .map(|text| text.as_ptr())
            .chain(std::iter::once(std::ptr::null()))
            .collect()
    };
    let (arguments, environment) = (list(arguments), list(environment));
    // SAFETY: both lists end with null, and what they point to lives until the call has failed.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Sets a resource limit of a process (0: of this one). `resource` is an `RLIMIT_*` number.
pub(crate) fn set_limit(pid: i32, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the new limit is initialised; the old one is not asked for. The resource's type differs between C
    // libraries; an unknown number is an error.
    let outcome =
        unsafe { libc::prlimit(pid, resource as _, &raw const limit, std::ptr::null_mut()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets how many files this process may have open.
pub(crate) fn set_open_files(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the limit is initialised.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes every descriptor but stdin, stdout and stderr close at the next `execve`.
pub(crate) fn close_others_on_exec() -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: only marks descriptors.
    unsafe { close_range(CLOSE_RANGE_CLOEXEC) }
}

/// Closes every descriptor but stdin, stdout and stderr: what an ancestor has left open.
///
/// # Safety
/// Nothing in the process may own one.
pub(crate) unsafe fn close_others() -> io::Result<()> {
    // SAFETY: the caller's.
    unsafe { close_range(0) }
}

/// # Safety
/// Without a flag nothing in the process may own a descriptor from 3 on.
unsafe fn close_range(flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes numbers; the rest is the caller's.
    match unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives this process and its children a session keyring of their own: with that of the session that an ancestor was
/// started in they would hold its keys. A kernel without keys has none to hold.
pub(crate) fn own_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: no name: a new one without any.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    let error = io::Error::last_os_error();
    if outcome >= 0 || error.raw_os_error() == Some(libc::ENOSYS) {
        Ok(())
    } else {
        Err(error)
    }
}

/// Puts the calling process into a new session whose terminal is its standard input.
pub(crate) fn own_terminal() -> io::Result<()> {
    // SAFETY: takes a number; the argument 0 steals from nobody.
    if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sends any signal, real-time ones included, which `rustix` has no names for.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers.
    if unsafe { libc::kill(pid, signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets a program start with every signal at its default: the C library's way to spawn would make it ignore two.
pub(crate) fn with_default_signals(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(|| {
            reset_signals();
            Ok(())
        });
    }
}

/// Loads a program for [`attach_device_program`]; the kernel checks it.
pub(crate) fn load_device_program(instructions: &[u64]) -> io::Result<OwnedFd> {
    const BPF_PROG_LOAD: libc::c_int = 5;
    const DEVICE_PROGRAM: u32 = 15;
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
    }
    let license = c"Apache-2.0";
    let load = Load {
        kind: DEVICE_PROGRAM,
        count: u32::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: the structure is the beginning of the kernel's `bpf_attr`, given with its size; what it points to lives
    // through the call. The descriptor is new.
    unsafe {
        match libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const load,
            size_of::<Load>(),
        ) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as i32)),
        }
    }
}

/// Has the kernel ask a program whenever a process of the group wants a device. Stays until the group is removed.
pub(crate) fn attach_device_program(group: i32, program: i32) -> io::Result<()> {
    const BPF_PROG_ATTACH: libc::c_int = 8;
    const BPF_CGROUP_DEVICE: u32 = 6;
    const BPF_F_ALLOW_MULTI: u32 = 2;
    let attach: [u32; 4] = [
        group.cast_unsigned(),
        program.cast_unsigned(),
        BPF_CGROUP_DEVICE,
        BPF_F_ALLOW_MULTI,
    ];
    // SAFETY: the four numbers are the beginning of the kernel's `bpf_attr` for this command, given with their size.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_ATTACH,
            attach.as_ptr(),
            size_of_val(&attach),
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes a detached mount read-only.
pub(crate) fn make_read_only(mount: i32) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is an empty, null-terminated text; the attributes are given with their size.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Names this process, as `ps` shows it.
pub(crate) fn name_process(name: &std::ffi::CStr) {
    // SAFETY: the kernel copies at most 16 bytes of a null-terminated text.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Gives back the memory of program code that has been used so far; the kernel brings back from the file what is used
/// again. A start runs through much of a large program, of which waiting needs next to nothing.
pub(crate) fn forget_code() -> io::Result<()> {
    for line in std::fs::read_to_string("/proc/self/maps")?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some("r-xp"), Some(_), Some(_), Some(inode)) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            continue;
        };
        let ends = range.split_once('-').map(|(start, end)| {
            (
                usize::from_str_radix(start, 16),
                usize::from_str_radix(end, 16),
            )
        });
        if let (Some((Ok(start), Ok(end))), false) = (ends, inode == "0") {
            // SAFETY: a private mapping of a file that is never written has nothing that isn't in the file.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
    Ok(())
}

/// Subjects this process to a system call filter. `program` is a list of `struct sock_filter`s.
pub(crate) fn load_filter(program: &[u64], flags: u32) -> io::Result<()> {
    const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: an instruction is 8 bytes at an alignment of at most 8; the kernel copies and checks all `len` of them.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
