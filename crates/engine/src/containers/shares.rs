//! Which bind sources there are, where the engine runs in a machine.
//!
//! Whoever binds a path means their own computer's. Only the folders that the host shares are here under the same path;
//! any other is the machine's own, and to bind that instead would be a silent mistake. Some paths can only mean the
//! machine's: what its kernel shows, and the engine's socket.
//!
//! No wall against the machine's user, whose containers may be privileged; but what lies in a shared folder may have been
//! put there by a container that is not, so a link in it leads nowhere else.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, Result};

/// What a kernel says of itself and of its devices: containers that look after a system ask for it, and a host's would
/// say nothing of the containers' kernel. Everything else of the guest is its own business.
const KERNEL: [&str; 4] = ["/dev", "/proc", "/sys", "/lib/modules"];
/// Where clients expect the engine's socket.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// What a machine has of its host.
#[derive(Debug, Clone)]
pub struct Shares {
    folders: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
}

/// What a bind source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A path in a shared folder, without links; it may not exist.
    Shared {
        /// The folder.
        folder: PathBuf,
        /// Relative to it.
        below: PathBuf,
    },
    /// A path of the machine's own that may be bound.
    Own(PathBuf),
}

impl Shares {
    /// Those of the engine's flags; `None` where it runs in no machine.
    pub fn of(config: &Config) -> Option<Shares> {
        config.host_agent.as_ref().map(|_| Shares {
            folders: config.shared_folders.clone(),
            sockets: config.sockets.clone(),
        })
    }

    /// What `source` is.
    ///
    /// # Errors
    /// Where the host doesn't share it.
    pub fn find(&self, source: &Path) -> Result<Found> {
        let is_socket = SOCKETS.iter().any(|path| Path::new(path) == source)
            || self.sockets.iter().any(|path| path == source);
        if is_socket && let Some(own) = self.sockets.first() {
            return Ok(Found::Own(own.clone()));
        }
        let real = real(source).map_err(Error::io(format!(
            "can't follow the mount source path '{}'",
            source.display()
        )))?;
        for folder in &self.folders {
            let Ok(folder) = folder.canonicalize() else {
                continue;
            };
            if let Ok(below) = real.strip_prefix(&folder) {
                return Ok(Found::Shared {
                    below: below.to_owned(),
                    folder,
                });
            }
        }
        // As it is named, too: what looks like a path of the host's and leads there is a surprise.
        let is_kernels = |path: &Path| KERNEL.iter().any(|own| path.starts_with(own));
        if is_kernels(source) && KERNEL.iter().any(|own| leads_into(own, &real)) {
            return Ok(Found::Own(source.to_owned()));
        }
        Err(self.refused(source, &real))
    }

    fn refused(&self, source: &Path, real: &Path) -> Error {
        let shown = source.display();
        let leads = if real == source {
            String::new()
        } else {
            format!(" (it leads to {})", real.display())
        };
        Error::invalid(format!(
            "mounts denied: the path {shown}{leads} is not shared with the machine that containers run in; \
             to share it: gantry machine set --share {}",
            real.display()
        ))
    }
}

/// Whether `real`, a path without links, lies in `folder`.
fn leads_into(folder: &str, real: &Path) -> bool {
    Path::new(folder)
        .canonicalize()
        .is_ok_and(|folder| real.starts_with(folder))
}

/// A path without links. Its end may not exist.
fn real(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match there.canonicalize() {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                return Ok(real);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(error) => match (there.components().next_back(), there.parent()) {
                (Some(Component::Normal(name)), Some(parent)) => {
                    missing.push(name);
                    there = parent;
                }
                // What `..` of a missing folder is, nobody knows.
                _ => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn shares(folder: &Path) -> Shares {
        Shares {
            folders: vec![folder.to_owned(), "/no/such/folder".into()],
            sockets: vec!["/run/gantry/gantry.sock".into()],
        }
    }

    fn below(shares: &Shares, source: &Path) -> Option<PathBuf> {
        match shares.find(source) {
            Ok(Found::Shared { below, .. }) => Some(below),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    #[test]
    fn only_what_is_shared_can_be_bound() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir_all(shared.join("site/pages")).unwrap();
        std::fs::create_dir(dir.path().join("shared-not")).unwrap();
        symlink("site", shared.join("inner")).unwrap();
        symlink(shared.join("site"), shared.join("absolute")).unwrap();
        symlink("../shared-not", shared.join("outer")).unwrap();
        symlink("/no/such", shared.join("dangling")).unwrap();
        symlink("loop", shared.join("loop")).unwrap();
        let shares = shares(&shared);
        let at = |path: &str| below(&shares, &shared.join(path));
        for (path, is) in [
            ("", ""),
            ("site/pages", "site/pages"),
            ("site/../site/./pages/", "site/pages"),
            ("inner/pages", "site/pages"),
            ("absolute/pages", "site/pages"),
            ("new/one", "new/one"),
            ("inner/new", "site/new"),
        ] {
            assert_eq!(at(path), Some(is.into()), "{path}");
        }
        for path in [
            "outer",
            "outer/x",
            "..",
            "../shared-not",
            "new/../../x",
            "loop",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
        assert_eq!(below(&shares, Path::new("/opt/data")), None);
        let error = shares.find(&shared.join("outer")).unwrap_err();
        let real = dir.path().canonicalize().unwrap().join("shared-not");
        let says = format!(
            "outer (it leads to {}) is not shared with the machine that containers run in; \
             to share it: gantry machine set --share {}",
            real.display(),
            real.display()
        );
        assert!(error.to_string().ends_with(&says), "{error}");
        assert_eq!(error.kind().status(), 400);
    }

    #[test]
    fn the_kernels_own_and_the_engines_socket_are_the_machines() {
        let dir = tempfile::tempdir().unwrap();
        let shares = shares(dir.path());
        for path in ["/proc", "/sys/fs/cgroup", "/dev/null"] {
            assert_eq!(
                shares.find(Path::new(path)).unwrap(),
                Found::Own(path.into())
            );
        }
        for path in SOCKETS.iter().chain(&["/run/gantry/gantry.sock"]) {
            assert_eq!(
                shares.find(Path::new(path)).unwrap(),
                Found::Own("/run/gantry/gantry.sock".into())
            );
        }
        // A link in a shared folder is nothing that the kernel says, nor is the root of a process.
        symlink("/proc", dir.path().join("proc")).unwrap();
        for path in [
            dir.path().join("proc").as_path(),
            Path::new("/proc/self/root/etc"),
            Path::new("/etc"),
        ] {
            assert!(shares.find(path).is_err(), "{path:?}");
        }
    }
}
