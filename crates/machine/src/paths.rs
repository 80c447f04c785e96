//! Where a machine's files lie.
//!
//! ```text
//! DATA/machines/NAME/  machine.json data.img console.log vm.log host.log lock
//! DATA/probes.json     which accelerators have proved to work
//! RUN/NAME/            api.sock control.sock tunnel.sock qmp.sock fs0.sock … vm.json last.json host.lock
//! ```

use std::path::{Path, PathBuf};

use crate::name::MachineName;

/// Sockets with longer paths can't be bound (108 bytes on Linux, 104 on macOS).
const MAX_SOCKET_PATH: usize = 100;

/// Tests and the curious put everything elsewhere by this variable.
pub const HOME_VARIABLE: &str = "GANTRY_MACHINE_HOME";

/// The folders that hold all machines of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    data: PathBuf,
    run: PathBuf,
}

/// Why there is no place for machines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The user has no home.
    #[error("no home folder is known: set HOME, or {HOME_VARIABLE} to a folder for the machines")]
    NoHome,
    /// A socket's path would be too long.
    #[error(
        "{} is too long for a socket's path (at most {MAX_SOCKET_PATH} bytes): set {HOME_VARIABLE} or XDG_RUNTIME_DIR to a shorter folder",
        path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
}

impl Home {
    /// The folders that the environment says.
    pub fn from_env() -> Result<Home, PathError> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        if let Some(home) = variable(HOME_VARIABLE) {
            return Ok(Home {
                run: home.join("run"),
                data: home,
            });
        }
        let home = std::env::home_dir()
            .filter(|home| home.is_absolute())
            .ok_or(PathError::NoHome);
        let data = if cfg!(windows) {
            variable("LOCALAPPDATA")
                .ok_or(PathError::NoHome)?
                .join("gantry")
        } else if cfg!(target_os = "macos") {
            home?.join("Library/Application Support/gantry")
        } else {
            match variable("XDG_DATA_HOME") {
                Some(data) => data.join("gantry"),
                None => home?.join(".local/share/gantry"),
            }
        };
        let run = if cfg!(windows) {
            data.join("run")
        } else {
            variable("XDG_RUNTIME_DIR")
                .filter(|folder| folder.is_dir())
                .map_or_else(fallback_run, |folder| folder.join("gantry"))
        };
        Ok(Home { data, run })
    }

    /// Folders of one's own choice.
    pub fn new(data: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Home {
        Home {
            data: data.into(),
            run: run.into(),
        }
    }

    /// The folder of all machines.
    pub fn machines(&self) -> PathBuf {
        self.data.join("machines")
    }

    /// What probing the accelerators has shown.
    pub fn probes(&self) -> PathBuf {
        self.data.join("probes.json")
    }

    /// Which images have been checked whole.
    pub fn verified(&self) -> PathBuf {
        self.data.join("images.json")
    }

    /// The files of machine `name`.
    pub fn machine(&self, name: &MachineName) -> Result<Paths, PathError> {
        let paths = Paths {
            name: name.clone(),
            data: self.machines().join(name.as_str()),
            run: self.run.join(name.as_str()),
        };
        let longest = paths.control_socket();
        if cfg!(unix) && longest.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(PathError::TooLong { path: longest });
        }
        Ok(paths)
    }
}

#[cfg(unix)]
fn fallback_run() -> PathBuf {
    PathBuf::from(format!(
        "/tmp/gantry-{}",
        rustix::process::getuid().as_raw()
    ))
}

#[cfg(not(unix))]
fn fallback_run() -> PathBuf {
    std::env::temp_dir().join("gantry")
}

/// The files of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    name: MachineName,
    data: PathBuf,
    run: PathBuf,
}

impl Paths {
    /// Whose they are.
    pub fn name(&self) -> &MachineName {
        &self.name
    }

    /// What lasts.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What doesn't outlive the host's start.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The machine's description.
    pub fn spec(&self) -> PathBuf {
        self.data.join("machine.json")
    }

    /// Locked while the description or the disk changes.
    pub fn lock(&self) -> PathBuf {
        self.data.join("lock")
    }

    /// The data disk.
    pub fn disk(&self) -> PathBuf {
        self.data.join("data.img")
    }

    /// What the guest's console says.
    pub fn console(&self) -> PathBuf {
        self.data.join("console.log")
    }

    /// What the host process says.
    pub fn host_log(&self) -> PathBuf {
        self.data.join("host.log")
    }

    /// The Docker API's socket.
    pub fn api_socket(&self) -> PathBuf {
        self.local("api")
    }

    /// The host process' own socket.
    pub fn control_socket(&self) -> PathBuf {
        self.local("control")
    }

    /// The virtual machine's end of the tunnel.
    pub fn tunnel_socket(&self) -> PathBuf {
        self.run.join("tunnel.sock")
    }

    /// QEMU's monitor.
    pub fn qmp_socket(&self) -> PathBuf {
        self.run.join("qmp.sock")
    }

    /// vfkit's control.
    pub fn rest_socket(&self) -> PathBuf {
        self.run.join("rest.sock")
    }

    /// The socket of share number `index`'s file server.
    pub fn share_socket(&self, index: usize) -> PathBuf {
        self.run.join(format!("fs{index}.sock"))
    }

    /// What the programs of the virtual machine say.
    pub fn vm_log(&self) -> PathBuf {
        self.data.join("vm.log")
    }

    /// What is known of the virtual machine that runs, for a host process that takes it over.
    pub fn vm_facts(&self) -> PathBuf {
        self.run.join("vm.json")
    }

    /// How the last run ended.
    pub fn last_status(&self) -> PathBuf {
        self.run.join("last.json")
    }

    /// Locked as long as a host process lives.
    pub fn host_lock(&self) -> PathBuf {
        self.run.join("host.lock")
    }

    /// What goes into `DOCKER_HOST`.
    pub fn docker_host(&self) -> String {
        if cfg!(windows) {
            format!("npipe:////./pipe/gantry-{}-api", self.name)
        } else {
            format!("unix://{}", self.api_socket().display())
        }
    }

    fn local(&self, what: &str) -> PathBuf {
        if cfg!(windows) {
            PathBuf::from(format!(r"\\.\pipe\gantry-{}-{what}", self.name))
        } else {
            self.run.join(format!("{what}.sock"))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_is_an_error_that_says_what_to_do() {
        let name = MachineName::default();
        let long = Home::new("/data", format!("/{}", "x".repeat(100)));
        assert!(
            long.machine(&name)
                .unwrap_err()
                .to_string()
                .contains("XDG_RUNTIME_DIR")
        );
        let short = Home::new("/data", "/run/user/1000/gantry")
            .machine(&name)
            .unwrap();
        assert_eq!(
            short.docker_host(),
            "unix:///run/user/1000/gantry/default/api.sock"
        );
        assert_eq!(
            short.spec(),
            Path::new("/data/machines/default/machine.json")
        );
    }
}
