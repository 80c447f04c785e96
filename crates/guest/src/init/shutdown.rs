//! The way down: the engine, the containers, everyone else, the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::system::{RebootCommand, reboot};

use super::console::say;
use super::data::MOUNTED;
use super::services::{Service, reap};
use super::sys::{Heard, listen, signal, signal_all};

/// How long the engine may take to end.
const ENGINE: Duration = Duration::from_secs(10);
/// How long containers may take, as `docker stop` gives them.
const CONTAINERS: Duration = Duration::from_secs(10);
/// How long shims may take to write down how their containers ended.
const LAST: Duration = Duration::from_secs(3);

/// Ends everything in order and the machine with it. Whatever fails on the way, the next step is done.
pub fn end(services: &mut [Service], how: Heard) -> ! {
    say("end", "stopping the engine");
    // It goes first, so that it doesn't start again what stops.
    let engine = services.first().and_then(Service::pid);
    if let Some(engine) = engine {
        signal(engine, libc::SIGTERM);
        wait_until(services, ENGINE, |services| {
            services.first().and_then(Service::pid) != Some(engine)
        });
    }
    say("end", "stopping containers");
    for pid in container_inits() {
        signal(pid, libc::SIGTERM);
    }
    wait_until(services, CONTAINERS, |_| container_inits().is_empty());
    for pid in container_inits() {
        signal(pid, libc::SIGKILL);
    }
    wait_until(services, LAST, |_| !any_shim());
    signal_all(libc::SIGTERM);
    signal_all(libc::SIGKILL);
    wait_until(services, LAST, |_| !any_user_process());
    leave_disk();
    power_off(how)
}

/// Unmounts what can be unmounted, innermost first, and sees to it that the data disk is left clean.
fn leave_disk() {
    rustix::fs::sync();
    let mut mounts = mount_points(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    mounts.reverse();
    let kept = ["/", "/usr", "/proc", "/sys", "/dev"].map(Path::new);
    for at in mounts.iter().filter(|at| !kept.contains(&at.as_path())) {
        // A mount that is still used, by a lazy unmount perhaps, is told of by the disk's own below.
        let _ = unmount(at, UnmountFlags::empty());
    }
    let is_mounted = |text: &str| mount_points(text).iter().any(|at| at == Path::new(MOUNTED));
    if fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| is_mounted(&text)) {
        match mount_remount(MOUNTED, MountFlags::RDONLY, c"") {
            Ok(()) => say("end", "the data disk is in use still; it is read-only now"),
            Err(error) => say(
                "end",
                format_args!("the data disk is in use; the next start checks it: {error}"),
            ),
        }
    }
    rustix::fs::sync();
}

/// Ends the machine without more ado.
pub fn power_off(how: Heard) -> ! {
    let command = match how {
        Heard::Restart => RebootCommand::Restart,
        Heard::PowerOff | Heard::Child => RebootCommand::PowerOff,
    };
    say(
        "end",
        if how == Heard::Restart {
            "starting anew"
        } else {
            "power off"
        },
    );
    let failed = reboot(command);
    say(
        "end",
        format_args!("the machine can't be switched off: {failed:?}"),
    );
    loop {
        listen(None);
    }
}

/// Waits for processes to end until `done` says so.
fn wait_until(services: &mut [Service], limit: Duration, done: impl Fn(&[Service]) -> bool) {
    let deadline = Instant::now() + limit;
    while !done(services) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // Processes of others aren't told of: they are looked for again soon.
        listen(Some(left.min(Duration::from_millis(100))));
        reap(services);
    }
}

fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != 1)
        .collect()
}

/// The first process of each container: it is number 1 in a namespace of its own.
fn container_inits() -> Vec<i32> {
    let status = |pid: i32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    processes()
        .into_iter()
        .filter(|&pid| is_container_init(&status(pid)))
        .collect()
}

fn is_container_init(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let dead = status.lines().any(|line| line.starts_with("State:\tZ"));
    numbers.is_some_and(|numbers| {
        let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
        numbers.len() > 1 && numbers.last() == Some(&"1") && !dead
    })
}

fn any_shim() -> bool {
    processes().iter().any(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim_end() == "gantry-shim")
    })
}

/// Kernel threads have no program.
fn any_user_process() -> bool {
    processes()
        .iter()
        .any(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok())
}

/// The places in a `mountinfo`, as proc(5) has it, in its order.
fn mount_points(text: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        line.split(' ')
            .nth(4)
            .map(|place| PathBuf::from(unescaped(place)))
    };
    text.lines().filter_map(place).collect()
}

/// Spaces, tabs, line ends and backslashes are written in octal.
fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for (code, letter) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(code, letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_of_a_namespace_is_a_containers() {
        let status = |numbers: &str, state: &str| {
            format!("Name:\tsh\nState:\t{state}\nNSpid:\t{numbers}\nThreads:\t1\n")
        };
        assert!(is_container_init(&status("812\t1", "S (sleeping)")));
        // One inside another is signalled too: its own init may pass nothing on.
        assert!(is_container_init(&status("812\t7\t1", "S (sleeping)")));
        assert!(!is_container_init(&status("812\t7", "S (sleeping)")));
        assert!(!is_container_init(&status("812", "S (sleeping)")));
        assert!(!is_container_init(&status("812\t1", "Z (zombie)")));
        assert!(!is_container_init(""));
    }

    #[test]
    fn places_of_mounts_are_read() {
        let text = "22 1 0:20 / / ro - tmpfs tmpfs ro\n\
                    30 22 254:16 / /mnt/data rw,noatime shared:1 - ext4 /dev/vdb rw\n\
                    31 30 0:40 / /mnt/data/engine/a\\040b rw - overlay overlay rw\n\nbroken\n";
        let places = mount_points(text);
        assert_eq!(
            places,
            ["/", "/mnt/data", "/mnt/data/engine/a b"].map(PathBuf::from)
        );
    }
}
