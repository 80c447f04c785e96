//! Stopping all processes of a group where they are, and letting them go on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroups_rs::FreezerState;
use cgroups_rs::fs::freezer::FreezerController;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::flat::keyed;
use super::{Cgroup, CgroupError, Controller, no_root, refused};

/// A process in the kernel (a disk that doesn't answer) can't be frozen before it comes back.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Freezes the group and returns when every process stands still. Freezing a frozen group does nothing.
    ///
    /// # Errors
    /// Where there is no group, or it doesn't come to rest in time: then it is let go again.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let folder = self.freezer_folder()?;
        let freezer = FreezerController::new(folder.clone(), no_root(), self.is_unified());
        freezer
            .freeze()
            .map_err(|error| refused("the freezer", "frozen", &folder, error))?;
        let outcome = if self.is_unified() {
            wait_unified(&folder)
        } else {
            wait_v1(&folder, &freezer)
        };
        if outcome.is_err() {
            // Half frozen is worse than not frozen: nobody would thaw it.
            freezer
                .thaw()
                .map_err(|error| refused("the freezer", "thawed", &folder, error))?;
        }
        outcome
    }

    /// Lets a frozen group go on. Thawing one that isn't frozen does nothing.
    ///
    /// # Errors
    /// Where there is no group.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let folder = self.freezer_folder()?;
        FreezerController::new(folder.clone(), no_root(), self.is_unified())
            .thaw()
            .map_err(|error| refused("the freezer", "thawed", &folder, error))
    }

    /// Whether the group is frozen or about to be.
    ///
    /// # Errors
    /// Where there is no group.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        let folder = self.freezer_folder()?;
        FreezerController::new(folder.clone(), no_root(), self.is_unified())
            .state()
            .map(|state| !matches!(state, FreezerState::Thawed))
            .map_err(|error| refused("the freezer", "read", &folder, error))
    }

    fn freezer_folder(&self) -> Result<std::path::PathBuf, CgroupError> {
        let folder = self.folder(Controller::Freezer)?;
        if folder.is_dir() {
            Ok(folder)
        } else {
            Err(CgroupError::Gone(self.path.clone()))
        }
    }
}

/// v2 tells by a priority event on `cgroup.events`.
fn wait_unified(folder: &Path) -> Result<(), CgroupError> {
    let path = folder.join("cgroup.events");
    let read = |source| CgroupError::Read {
        path: path.clone(),
        source,
    };
    let events = File::open(&path).map_err(read)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut text = [0; 256];
        let length = events.read_at(&mut text, 0).map_err(read)?;
        if keyed(&String::from_utf8_lossy(&text[..length])).get("frozen") == Some(&1) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(folder));
        }
        let timeout = Timespec::try_from(left).ok();
        match poll(
            &mut [PollFd::new(&events, PollFlags::PRI)],
            timeout.as_ref(),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(read(errno.into())),
        }
    }
}

/// v1 tells nobody, and a process that was forking meanwhile is only taken in by freezing again.
fn wait_v1(folder: &Path, freezer: &FreezerController) -> Result<(), CgroupError> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(100);
    loop {
        match freezer.state() {
            Ok(FreezerState::Frozen) => return Ok(()),
            Ok(_) if Instant::now() > deadline => return Err(late(folder)),
            Ok(_) => {}
            Err(error) => return Err(refused("the freezer", "read", folder, error)),
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
        freezer
            .freeze()
            .map_err(|error| refused("the freezer", "frozen", folder, error))?;
    }
}

fn late(folder: &Path) -> CgroupError {
    CgroupError::Timeout {
        path: folder.to_owned(),
        state: "frozen",
        seconds: PATIENCE.as_secs(),
    }
}
