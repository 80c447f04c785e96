//! Takes the kernel's longest wait of a container's start out of its way.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use super::Hierarchies;

impl Hierarchies {
    /// Readies the kernel for a move of a process between groups, by moving this process to where it is already.
    ///
    /// The kernel keeps all forks away while a process moves; after a while without moves it must first wait for a
    /// grace period of its read-copy-update (8 to 10 ms at 100 to 250 ticks a second: a quarter of a small container's
    /// start). One move begins that wait for all that follow soon, and can do so while the container's root and
    /// network are made. It blocks as long: run it beside the rest, off the reactor.
    ///
    /// It's no more than a help: where it fails, the container's own move waits.
    pub fn ready_moves(&self) {
        let Some(group) = self.own_group() else {
            return;
        };
        let moved = File::options()
            .write(true)
            .open(group.join("cgroup.procs"))
            .and_then(|mut file| file.write_all(std::process::id().to_string().as_bytes()));
        if let Err(error) = moved {
            tracing::debug!(group = %group.display(), %error, "moves between control groups aren't readied");
        }
    }

    /// The folder of this process's group, in any hierarchy.
    fn own_group(&self) -> Option<PathBuf> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        own.lines().find_map(|line| self.folder_of(line))
    }

    /// The folder that a line of `/proc/<pid>/cgroup` names (cgroups(7)). None where it lies outside of what this
    /// process sees.
    pub(super) fn folder_of(&self, line: &str) -> Option<PathBuf> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.strip_prefix('/')?);
        let root = self.root_named(controllers)?;
        (!path.split('/').any(|part| part == "..")).then(|| root.join(path))
    }
}
