//! Control groups: where a container's are, its figures, freezing and live updates.
//!
//! The OCI runtime makes a container's groups and puts its process there; this module finds them again by the same
//! path (`linux.cgroupsPath`) in all three layouts the kernel has: v1 (a tree for each controller), hybrid (the same,
//! and a v2 tree without controllers beside it) and unified v2.
//!
//! `cgroups-rs` reads and writes the kernel's files where it agrees with them. It is given the folder of each
//! controller that was found here, since its own search knows neither escaped mount points nor a tree of a test. Not
//! taken from it: block I/O (device numbers of more than 15 bits make it panic, lines with cost figures are dropped),
//! whether a v2 group *is* frozen, the number of OOM kills, and any telling of a vanished group from an idle one.
//!
//! Calls block for moments; [`Cgroup::freeze`], [`Cgroup::kill_all`] and [`Cgroup::remove`] for up to seconds: run
//! them off the reactor.

mod ahead;
mod block;
mod figures;
mod flat;
mod freeze;
mod layout;
mod processes;
mod update;

#[cfg(test)]
mod tests;

pub use block::BlockCount;
pub use figures::{Cpu, Figures, Memory, Pids, host_cpu, host_memory};
pub use layout::{Hierarchies, Layout};

use std::io;
use std::path::{Path, PathBuf};

/// A controller, by the kernel's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Cpu,
    CpuAcct,
    CpuSet,
    Memory,
    Pids,
    Block,
    Freezer,
}

impl Controller {
    /// The name in a v1 mount's options.
    fn v1_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuAcct => "cpuacct",
            Self::CpuSet => "cpuset",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Block => "blkio",
            Self::Freezer => "freezer",
        }
    }
}

/// A control group could not be read, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The machine has no control groups that we know.
    #[error("no cgroup file system is mounted")]
    NoHierarchy,
    /// The table of mounts could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The group is gone: the container has ended.
    #[error("the cgroup {} does not exist", .0.display())]
    Gone(PathBuf),
    /// The kernel lacks what is needed.
    #[error("this kernel has no {0} cgroup controller")]
    Missing(&'static str),
    /// The kernel refused a value.
    #[error("cannot set {what} of the cgroup {} to {value}: {source}", path.display())]
    Refused {
        /// The limit.
        what: &'static str,
        /// What it should have become.
        value: String,
        /// The group.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The group did not come to rest in time.
    #[error("the cgroup {} could not be {state} within {seconds} s", path.display())]
    Timeout {
        /// The group.
        path: PathBuf,
        /// What it should have become.
        state: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The group could not be removed.
    #[error("cannot remove the cgroup {}: {source}", path.display())]
    Remove {
        /// The group.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The control groups of one container, one folder a hierarchy.
#[derive(Debug, Clone)]
pub struct Cgroup {
    hierarchies: Hierarchies,
    /// Below each hierarchy's root, without the leading slash.
    path: PathBuf,
}

impl Cgroup {
    /// The groups at `path` (`ContainerSpec::cgroup_path`) on this machine, whether they exist or not.
    ///
    /// # Errors
    /// Where the machine's hierarchies can't be found.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        Ok(Self::in_hierarchies(Hierarchies::detect()?, path))
    }

    /// The groups at `path` in hierarchies that are known already.
    #[must_use]
    pub fn in_hierarchies(hierarchies: Hierarchies, path: &Path) -> Self {
        use std::path::Component;
        // Never out of the hierarchy, whatever the path says.
        let path = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        Self { hierarchies, path }
    }

    /// How the machine lays out its control groups.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.hierarchies.layout()
    }

    /// Whether the container has a group.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.main_folder().is_ok()
    }

    fn is_unified(&self) -> bool {
        self.layout() == Layout::Unified
    }

    /// The folder in which a controller's files are.
    fn folder(&self, controller: Controller) -> Result<PathBuf, CgroupError> {
        let root = self
            .hierarchies
            .root_of(controller)
            .ok_or(CgroupError::Missing(controller.v1_name()))?;
        Ok(root.join(&self.path))
    }

    /// A folder that is there exactly as long as the container has a group: which controllers an OCI runtime uses on
    /// v1 depends on the runtime and the limits.
    fn main_folder(&self) -> Result<PathBuf, CgroupError> {
        self.folders()
            .find(|folder| folder.is_dir())
            .ok_or_else(|| CgroupError::Gone(self.path.clone()))
    }

    /// The group's folder in every hierarchy, existing or not.
    fn folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.hierarchies.roots().map(|root| root.join(&self.path))
    }
}

/// `cgroups-rs` wants to see each folder below a root; it is given whole paths.
fn no_root() -> PathBuf {
    PathBuf::new()
}

fn refused(
    what: &'static str,
    value: impl ToString,
    path: &Path,
    error: impl std::error::Error,
) -> CgroupError {
    // The kernel's answer is at the end of the chain.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let code = text
        .rsplit_once("(os error ")
        .and_then(|(_, code)| code.trim_end_matches(')').parse().ok());
    let source = code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error);
    CgroupError::Refused {
        what,
        value: value.to_string(),
        path: path.to_owned(),
        source,
    }
}
