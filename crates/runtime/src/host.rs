//! What the machine and this installation offer a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// The init of `--init`: a static program that needs nothing of the root it runs in.
const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gantry-init"));

/// The machine can't run containers.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The bundled init could not be put where containers can mount it.
    #[error("cannot write the bundled init to {path}: {source}")]
    Init {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The mount table can't be read.
    #[error("cannot read /proc/self/mountinfo: {0}")]
    Mounts(std::io::Error),
}

/// What the machine and this installation offer a container; one an engine.
#[derive(Debug, Clone)]
pub struct Host {
    /// The `gantry-shim` program.
    pub shim: PathBuf,
    /// The static init that `--init` mounts at `/sbin/docker-init`.
    pub init: PathBuf,
    /// Names below `/sys/fs/cgroup` of the cgroup v1 hierarchies (`memory`, `cpu,cpuacct`, `systemd` …).
    pub cgroup_v1_mounts: Vec<String>,
    /// Only cgroup v2 is mounted.
    pub cgroup_v2_only: bool,
    /// Folders of counters by processor that tell what others on the machine do (GHSA-6fw5-f8r9-fgfm).
    pub thermal_throttles: Vec<String>,
    /// Files that a process may have open unless it asks for more, when this was looked at; none: no limit. Containers
    /// begin with it, whatever the engine allows itself later.
    pub open_files: Option<u64>,
}

impl Host {
    /// Looks at the machine and writes the bundled init below `exec_root`.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn detect(shim: PathBuf, exec_root: &Path) -> Result<Host, HostError> {
        let init = exec_root.join("gantry-init");
        write_init(&init).map_err(|source| HostError::Init {
            path: init.clone(),
            source,
        })?;
        let table = fs::read_to_string("/proc/self/mountinfo").map_err(HostError::Mounts)?;
        let cgroup_v1_mounts = hierarchies(&table);
        Ok(Host {
            shim,
            init,
            cgroup_v2_only: cgroup_v1_mounts.is_empty(),
            cgroup_v1_mounts,
            thermal_throttles: thermal_throttles(),
            open_files: getrlimit(Resource::Nofile).current,
        })
    }
}

fn thermal_throttles() -> Vec<String> {
    let entries = fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten();
    let folders = entries
        .flatten()
        .map(|entry| entry.path().join("thermal_throttle"));
    let mut folders: Vec<_> = folders
        .filter(|folder| folder.is_dir())
        .map(|folder| folder.display().to_string())
        .collect();
    folders.sort_unstable();
    folders
}

/// Replaces the file only where it differs: running containers have it mounted.
fn write_init(path: &Path) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == INIT) {
        return Ok(());
    }
    let new = path.with_extension(format!("{}", std::process::id()));
    fs::write(&new, INIT)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(&new, path)
}

/// Names of the cgroup v1 hierarchies in a mount table.
fn hierarchies(table: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in table.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let place = before
            .split(' ')
            .nth(4)
            .and_then(|place| place.strip_prefix("/sys/fs/cgroup/"));
        if let Some(name) = place.filter(|name| after.starts_with("cgroup ") && !name.contains('/'))
            && !names.iter().any(|have| have == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_v1_only() {
        let table = "25 2 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            27 25 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            28 25 0:25 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
        assert_eq!(hierarchies(table), ["cpu,cpuacct", "systemd"]);
    }
}
