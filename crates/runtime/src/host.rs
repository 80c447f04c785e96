//! What the machine and this installation offer a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::cgroup::{Hierarchies, Layout};

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
    pub fn detect(
        shim: PathBuf,
        exec_root: &Path,
        hierarchies: &Hierarchies,
    ) -> Result<Host, HostError> {
        let init = exec_root.join("gantry-init");
        write_init(&init).map_err(|source| HostError::Init {
            path: init.clone(),
            source,
        })?;
        Ok(Host {
            shim,
            init,
            cgroup_v2_only: hierarchies.layout() == Layout::Unified,
            cgroup_v1_mounts: hierarchies.v1_names(),
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
