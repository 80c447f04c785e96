//! The processes of a group: listing and killing them, and removing the group after them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::flat::{is_gone, read};
use super::{Cgroup, CgroupError};

/// How long dying processes may keep a group busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Groups below a container's own that are looked at: a container that may make groups could make any number.
const MOST_GROUPS: usize = 10_000;

impl Cgroup {
    /// The processes of the group and of groups below it, in the host's numbers, sorted.
    ///
    /// # Errors
    /// [`CgroupError::Gone`] where there is no group.
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        let mut pids = Vec::new();
        for folder in tree(&self.main_folder()?) {
            let path = folder.join("cgroup.procs");
            let text = read(&path).map_err(|source| CgroupError::Read { path, source })?;
            pids.extend(
                text.lines()
                    .filter_map(|line| line.parse::<u32>().ok())
                    .filter(|pid| *pid > 0),
            );
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// The group's folder on a machine with cgroup v2 only.
    pub(crate) fn unified_folder(&self) -> Option<PathBuf> {
        self.is_unified().then(|| self.folders().next()).flatten()
    }

    /// Moves the calling process into the group, in every hierarchy that has it.
    pub(crate) fn join_self(&self) -> io::Result<()> {
        for folder in self.folders().filter(|folder| folder.is_dir()) {
            fs::write(folder.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Kills every process of the group and returns when it is empty. No group is an empty group.
    ///
    /// # Errors
    /// Where some process doesn't end in time.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let Ok(folder) = self.main_folder() else {
            return Ok(());
        };
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        // Frozen processes can't fork away, and their numbers can't be given to others. Where freezing fails, the
        // loop still ends a group that doesn't fork faster than it is killed.
        let killed_by_kernel =
            self.is_unified() && fs::write(folder.join("cgroup.kill"), "1").is_ok();
        loop {
            let frozen = !killed_by_kernel && self.freeze().is_ok();
            let pids = match self.pids() {
                Err(CgroupError::Gone(_)) => Vec::new(),
                pids => pids?,
            };
            if !killed_by_kernel {
                for pid in pids
                    .iter()
                    .filter_map(|pid| Pid::from_raw(pid.cast_signed()))
                {
                    // It may have ended by itself.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            // v1 delivers even SIGKILL only to those that may run.
            if frozen || pids.is_empty() {
                self.thaw()
                    .or_else(|error| if self.exists() { Err(error) } else { Ok(()) })?;
            }
            if pids.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(CgroupError::Timeout {
                    path: folder,
                    state: "emptied",
                    seconds: PATIENCE.as_secs(),
                });
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Removes the group and all below it from every hierarchy; what isn't there is removed already. Goes on after a
    /// failure and tells the first. The processes must have been killed before.
    ///
    /// # Errors
    /// Where a group stays busy.
    pub fn remove(&self) -> Result<(), CgroupError> {
        // Joining nothing would name the hierarchy itself.
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut outcome = Ok(());
        for folder in self.folders() {
            // Deepest first.
            for group in tree(&folder).iter().rev() {
                outcome = outcome.and(remove_group(group, deadline));
            }
        }
        outcome
    }
}

/// A killed process leaves its group a moment after its parent knows that it has ended; v1 tells nobody when.
fn remove_group(group: &Path, deadline: Instant) -> Result<(), CgroupError> {
    let mut pause = Duration::from_micros(200);
    loop {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline =>
            {
                sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Err(source) => {
                return Err(CgroupError::Remove {
                    path: group.to_owned(),
                    source,
                });
            }
        }
    }
}

/// The group and those below it, each after its parent.
fn tree(group: &Path) -> Vec<PathBuf> {
    let mut found = vec![group.to_owned()];
    let mut next = 0;
    while next < found.len() && found.len() < MOST_GROUPS {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let folders: Vec<_> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        found.extend(folders);
        next += 1;
    }
    found
}
