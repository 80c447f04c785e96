//! Settings of the kernel that containers expect of a machine made for them, and its clock.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_settime};

use super::console::say;

/// Below `/proc/sys`. Forwarding is the engine's own to switch.
const SETTINGS: &[(&str, &str)] = &[
    // Editors, bundlers and test runners watch whole trees, several in one machine.
    ("fs/inotify/max_user_watches", "1048576"),
    ("fs/inotify/max_user_instances", "8192"),
    ("fs/inotify/max_queued_events", "65536"),
    // Search engines refuse to start with less.
    ("vm/max_map_count", "1048576"),
    ("kernel/pid_max", "4194304"),
    ("kernel/threads-max", "1000000"),
    ("kernel/keys/maxkeys", "20000"),
    ("kernel/keys/maxbytes", "2000000"),
    // Containers may bind port 80 and ping without being root, as Docker sets it.
    ("net/ipv4/ping_group_range", "0 2147483647"),
    // Bridges with many neighbours.
    ("net/ipv4/neigh/default/gc_thresh1", "1024"),
    ("net/ipv4/neigh/default/gc_thresh2", "4096"),
    ("net/ipv4/neigh/default/gc_thresh3", "8192"),
    // A machine that can't go on ends, and its host starts it anew.
    ("kernel/panic", "-1"),
];

/// When the image was made, in seconds since 1970.
const EPOCH: &str = "/usr/share/gantry/epoch";

/// Applies the settings; one that a kernel hasn't got is told and passed over.
pub fn apply() {
    for (name, value) in SETTINGS {
        if let Err(error) = fs::write(Path::new("/proc/sys").join(name), value) {
            say("settings", format_args!("{name}: {error}"));
        }
    }
}

/// A machine without a clock begins in 1970, and no certificate is valid then: the image's own age is nearer. The host
/// tells the true time through the agent.
pub fn set_clock() {
    let Some(made) = fs::read_to_string(EPOCH)
        .ok()
        .and_then(|text| text.trim().parse().ok())
    else {
        return;
    };
    if SystemTime::now() >= UNIX_EPOCH + Duration::from_secs(made) {
        return;
    }
    let Ok(tv_sec) = made.try_into() else { return };
    match clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: 0 }) {
        Ok(()) => say("clock", "has no time yet; it is set to the image's"),
        Err(error) => say("clock", format_args!("can't be set: {error}")),
    }
}
