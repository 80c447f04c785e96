//! Which hierarchies the machine has, and where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CgroupError, Controller};
use crate::rootfs::unescape;

const TABLE: &str = "/proc/self/mountinfo";

/// How a machine lays out its control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A tree for each controller.
    V1,
    /// The same, and a v2 tree without controllers beside it.
    Hybrid,
    /// One v2 tree for all.
    Unified,
}

/// The mounted hierarchies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    v1: Vec<V1>,
    v2: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct V1 {
    root: PathBuf,
    /// Controllers, and `name=systemd` and the like.
    names: BTreeSet<String>,
}

impl Hierarchies {
    /// Looks at what is mounted.
    ///
    /// # Errors
    /// Where the table of mounts can't be read or has no control groups.
    pub fn detect() -> Result<Self, CgroupError> {
        let table = fs::read_to_string(TABLE).map_err(|source| CgroupError::Read {
            path: TABLE.into(),
            source,
        })?;
        Self::parse(&table)
    }

    /// Finds the hierarchies in a table of mounts (`proc_pid_mountinfo(5)`). Of several mounts of one hierarchy the
    /// first counts, as it does for libcontainer and runc.
    ///
    /// # Errors
    /// Where it has none.
    pub fn parse(table: &str) -> Result<Self, CgroupError> {
        let mut found = Self {
            v1: Vec::new(),
            v2: None,
        };
        for line in table.lines() {
            let Some((mount, superblock)) = line.split_once(" - ") else {
                continue;
            };
            let Some(point) = mount.split(' ').nth(4) else {
                continue;
            };
            let root = PathBuf::from(unescape(point.as_bytes()));
            let mut superblock = superblock.split(' ');
            match (superblock.next(), superblock.nth(1)) {
                (Some("cgroup2"), _) if found.v2.is_none() => found.v2 = Some(root),
                (Some("cgroup"), Some(options)) => {
                    let names = options
                        .split(',')
                        .filter(|name| !matches!(*name, "rw" | "ro" | "xattr"));
                    let names: BTreeSet<_> = names.map(str::to_owned).collect();
                    if !found.v1.iter().any(|earlier| earlier.names == names) {
                        found.v1.push(V1 { root, names });
                    }
                }
                _ => {}
            }
        }
        if found.v1.is_empty() && found.v2.is_none() {
            Err(CgroupError::NoHierarchy)
        } else {
            Ok(found)
        }
    }

    /// Which layout these make.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match (self.v1.is_empty(), &self.v2) {
            (true, _) => Layout::Unified,
            (false, Some(_)) => Layout::Hybrid,
            (false, None) => Layout::V1,
        }
    }

    /// Names of the v1 trees' folders in the usual place: `memory`, `cpu,cpuacct`, `systemd` …
    pub(crate) fn v1_names(&self) -> Vec<String> {
        let trees = self.v1.iter();
        let names =
            trees.filter_map(|tree| tree.root.strip_prefix("/sys/fs/cgroup").ok()?.to_str());
        names
            .filter(|name| !name.contains('/') && !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The tree in which a controller works.
    pub(super) fn root_of(&self, controller: Controller) -> Option<&Path> {
        if self.v1.is_empty() {
            return self.v2.as_deref();
        }
        self.v1
            .iter()
            .find(|tree| tree.names.contains(controller.v1_name()))
            .map(|tree| tree.root.as_path())
    }

    /// The tree of the controllers that a line of `/proc/<pid>/cgroup` names: `cpu,cpuacct`, `name=systemd`, or
    /// nothing for v2.
    pub(super) fn root_named(&self, controllers: &str) -> Option<&Path> {
        if controllers.is_empty() {
            return self.v2.as_deref();
        }
        self.v1
            .iter()
            .find(|tree| controllers.split(',').all(|name| tree.names.contains(name)))
            .map(|tree| tree.root.as_path())
    }

    /// All trees in which a container may have a group; those that every OCI runtime uses come first.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        const USED_BY_ALL: [Controller; 4] = [
            Controller::Memory,
            Controller::Pids,
            Controller::Freezer,
            Controller::CpuAcct,
        ];
        let mut roots: Vec<&Path> = Vec::new();
        let known = USED_BY_ALL
            .into_iter()
            .filter_map(|controller| self.root_of(controller));
        let all = self
            .v1
            .iter()
            .map(|tree| tree.root.as_path())
            .chain(self.v2.as_deref());
        for root in known.chain(all) {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots.into_iter()
    }
}
