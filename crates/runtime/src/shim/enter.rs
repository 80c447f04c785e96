//! A further process in a running container, for the builtin runtime.
//!
//! libcontainer's own way in runs it without the container's system call filter, loses the order of variables and
//! tells no error's kind; so this is done here, with libcontainer's pieces for users, capabilities and filters. The
//! order is runc's: cgroup, namespaces, fork into the pid namespace, session and terminal, limits, user,
//! capabilities, filter, program.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use libcontainer::capabilities;
use libcontainer::syscall::Syscall;
use libcontainer::syscall::syscall::create_syscall;
use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::thread::LinkNameSpaceType;

use super::privileges::{self, Privileges};
use super::program::{self, Report};
use super::seal;
use super::stdio::ChildEnds;
use super::wire::{Boot, Failure};
use super::worker::{News, Shim};
use crate::cgroup::Cgroup;
use crate::sys::{self, Fork};

/// Runs `process` in the container whose first process is `init`.
pub(super) fn exec(
    boot: &Boot,
    init: i32,
    process: &Process,
    ends: ChildEnds,
    shim: &Shim,
) -> Result<(), Failure> {
    let spec =
        Spec::load(boot.dirs.config_json()).map_err(|error| Failure::Runtime(error.to_string()))?;
    let privileges = Privileges {
        capabilities: process.capabilities().clone(),
        filter: privileges::read_filter(boot)?,
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
    };
    if let Some(score) = process.oom_score_adj() {
        std::fs::write("/proc/self/oom_score_adj", score.to_string())
            .map_err(wrong("setting oom_score_adj"))?;
    }
    join_cgroup(&boot.cgroup, init).map_err(wrong("joining the container's cgroup"))?;
    let namespaces =
        open_namespaces(&spec, init).map_err(wrong("opening the container's namespaces"))?;
    let spare = seal::null_of_host().map_err(wrong("opening /dev/null"))?;
    for (kind, file) in &namespaces {
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(*kind))
            .map_err(|errno| wrong("entering the container's namespaces")(errno.into()))?;
    }
    drop(namespaces);
    let (report, outcome) = program::report().map_err(wrong("report"))?;
    let terminal = if process.terminal().unwrap_or(false) {
        Some(open_terminal(process).map_err(wrong("opening a terminal"))?)
    } else {
        None
    };
    let (master, slave) =
        terminal.map_or((None, None), |(master, slave)| (Some(master), Some(slave)));
    match sys::fork().map_err(wrong("fork"))? {
        Fork::Parent(pid) => {
            report.close();
            drop((slave, ends));
            shim.tell(&News::Created(pid), master.as_ref().map(OwnedFd::as_fd))
                .map_err(wrong("shim"))?;
            match outcome.wait() {
                Some(failure) => Err(failure),
                None => shim.tell(&News::Started, None).map_err(wrong("shim")),
            }
        }
        Fork::Child => {
            drop(master);
            let failure = match become_process(process, &privileges, ends, slave, &spare) {
                Ok(()) => program::become_program(process),
                Err(failure) => failure,
            };
            give_up(report, &failure)
        }
    }
}

fn give_up(report: Report, failure: &Failure) -> ! {
    report.say(failure);
    sys::exit_now(1)
}

fn wrong(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Runtime(format!("{what}: {error}"))
}

/// Joins the container's groups; where it has made groups below its own (and so may hold none itself on v2), the one
/// of its first process.
fn join_cgroup(path: &Path, init: i32) -> io::Result<()> {
    let cgroup = Cgroup::open(path).map_err(io::Error::other)?;
    let Err(error) = cgroup.join_self() else {
        return Ok(());
    };
    let text = std::fs::read_to_string(format!("/proc/{init}/cgroup"))?;
    let Some(unified) = text.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Err(error);
    };
    // Only a group within the container's own.
    if !Path::new(unified).starts_with(path) {
        return Err(error);
    }
    Cgroup::open(Path::new(unified))
        .map_err(io::Error::other)?
        .join_self()
}

fn open_namespaces(spec: &Spec, init: i32) -> io::Result<Vec<(LinkNameSpaceType, File)>> {
    let mut own: Vec<_> = spec
        .linux()
        .iter()
        .flat_map(|l| l.namespaces().iter().flatten())
        .map(|ns| ns.typ())
        .collect();
    // The mount namespace last: the files are found in this one.
    own.sort_by_key(|kind| *kind == LinuxNamespaceType::Mount);
    let mut opened = Vec::new();
    for kind in own {
        let (name, kind) = match kind {
            LinuxNamespaceType::Mount => ("mnt", LinkNameSpaceType::Mount),
            LinuxNamespaceType::Cgroup => ("cgroup", LinkNameSpaceType::ControlGroup),
            LinuxNamespaceType::Uts => ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
            LinuxNamespaceType::Ipc => ("ipc", LinkNameSpaceType::InterProcessCommunication),
            LinuxNamespaceType::Pid => ("pid", LinkNameSpaceType::ProcessID),
            LinuxNamespaceType::Network => ("net", LinkNameSpaceType::Network),
            LinuxNamespaceType::User | LinuxNamespaceType::Time => continue,
        };
        opened.push((kind, File::open(format!("/proc/{init}/ns/{name}"))?));
    }
    Ok(opened)
}

/// A terminal of the container's own file system of terminals; the container might have put something else there.
fn open_terminal(process: &Process) -> io::Result<(OwnedFd, OwnedFd)> {
    const DEVPTS: u64 = 0x1cd1;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&master)?;
    let file_system = rustix::fs::fstatfs(&master)?;
    let is_ptmx = rustix::fs::major(stat.st_rdev) == 5 && rustix::fs::minor(stat.st_rdev) == 2;
    if !is_ptmx || file_system.f_type.cast_unsigned() as u64 != DEVPTS {
        return Err(io::Error::other(
            "/dev/pts/ptmx in the container is not what it should be",
        ));
    }
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?;
    rustix::fs::fchown(
        &slave,
        Some(rustix::fs::Uid::from_raw(process.user().uid())),
        None,
    )?;
    if let Some(size) = process.console_size() {
        let [rows, columns] =
            [size.height(), size.width()].map(|length| u16::try_from(length).unwrap_or(u16::MAX));
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&master, size)?;
    }
    Ok((master, slave))
}

/// Turns this process into what the program is to run as.
fn become_process(
    process: &Process,
    privileges: &Privileges,
    ends: ChildEnds,
    terminal: Option<OwnedFd>,
    spare: &OwnedFd,
) -> Result<(), Failure> {
    rustix::process::setsid().map_err(|errno| wrong("setsid")(errno.into()))?;
    if let Some(terminal) = terminal {
        dup_all(&terminal, &terminal, &terminal).map_err(wrong("terminal"))?;
        sys::own_terminal().map_err(wrong("terminal"))?;
    } else {
        let or_null = |end: Option<OwnedFd>| {
            end.map_or_else(|| seal::null_in_container(spare), Ok)
                .map_err(wrong("opening /dev/null"))
        };
        dup_all(
            &or_null(ends.stdin)?,
            &or_null(ends.stdout)?,
            &or_null(ends.stderr)?,
        )
        .map_err(wrong("stdio"))?;
    }
    sys::close_others_on_exec().map_err(wrong("close_range"))?;
    let kernel = create_syscall();
    if process.no_new_privileges().unwrap_or(false) {
        rustix::thread::set_no_new_privs(true)
            .map_err(|errno| wrong("no_new_privs")(errno.into()))?;
    }
    let limits = process.rlimits().iter().flatten();
    for limit in limits {
        sys::set_limit(0, limit.typ() as u32, limit.soft(), limit.hard())
            .map_err(wrong("setting a limit"))?;
    }
    let cwd = if process.cwd().as_os_str().is_empty() {
        PathBuf::from("/")
    } else {
        process.cwd().clone()
    };
    // As root first; where root may not (a network file system), as the user.
    let entered = std::env::set_current_dir(&cwd);
    let gid = rustix::process::Gid::from_raw;
    let groups: Vec<_> = process
        .user()
        .additional_gids()
        .iter()
        .flatten()
        .copied()
        .map(gid)
        .collect();
    rustix::thread::set_thread_groups(&groups)
        .map_err(|errno| wrong("setting groups")(errno.into()))?;
    set_user(kernel.as_ref(), process)?;
    if entered.is_err() {
        std::env::set_current_dir(&cwd).map_err(|error| no_folder(&cwd, &error))?;
    }
    inside().map_err(wrong("the working directory is outside of the container"))?;
    privileges.give_up_others()
}

/// In Docker's words.
fn no_folder(cwd: &Path, error: &io::Error) -> Failure {
    let text = |reason: &str| {
        format!(
            "chdir to cwd (\"{}\") set in config.json failed: {reason}",
            cwd.display()
        )
    };
    match error.raw_os_error() {
        Some(libc::ENOENT) => Failure::NotFound(text("no such file or directory")),
        Some(libc::ENOTDIR) => Failure::NotExecutable(text("not a directory")),
        Some(libc::EACCES) => Failure::NotExecutable(text("permission denied")),
        _ => Failure::Runtime(text(&error.to_string())),
    }
}

/// A folder that is not below the root has no path (CVE-2024-21626).
fn inside() -> io::Result<()> {
    let cwd = rustix::process::getcwd(Vec::new())?;
    if cwd.as_bytes().starts_with(b"/") {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ENOENT))
    }
}

/// Capabilities survive the change, to be dropped to exactly the wanted ones after it.
fn set_user(kernel: &dyn Syscall, process: &Process) -> Result<(), Failure> {
    let failed = |errno: rustix::io::Errno| wrong("setting the user")(errno.into());
    let uid = rustix::process::Uid::from_raw(process.user().uid());
    let gid = rustix::process::Gid::from_raw(process.user().gid());
    rustix::thread::set_keep_capabilities(true).map_err(failed)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    other(
        capabilities::reset_effective(kernel),
        "resetting capabilities",
    )?;
    rustix::thread::set_keep_capabilities(false).map_err(failed)
}

fn other<E: std::fmt::Display>(outcome: Result<(), E>, what: &str) -> Result<(), Failure> {
    outcome.map_err(|error| Failure::Runtime(format!("{what}: {error}")))
}

fn dup_all(stdin: &OwnedFd, stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(())
}
