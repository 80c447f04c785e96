//! Which OCI runtimes there are, by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The name of the runtime that is linked into the shim.
pub const BUILTIN: &str = "gantry";

/// No such runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimesError {
    /// Nothing has this name.
    #[error("unknown or invalid runtime name: {0}")]
    Unknown(String),
    /// The builtin's name can't be given to another.
    #[error("runtime name '{BUILTIN}' is reserved")]
    Reserved,
    /// The program isn't there.
    #[error("runtime {name}: no program {path}")]
    Missing {
        /// The runtime's name.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
}

/// An OCI runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// libcontainer, linked into the shim.
    Builtin,
    /// A program with runc's command line.
    Program {
        /// As the user calls it.
        name: String,
        /// Absolute path.
        path: PathBuf,
    },
}

impl Runtime {
    /// The name that `--runtime` takes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Runtime::Builtin => BUILTIN,
            Runtime::Program { name, .. } => name,
        }
    }
}

/// The runtimes of an engine.
#[derive(Debug, Clone)]
pub struct Runtimes {
    default: String,
    programs: BTreeMap<String, PathBuf>,
}

impl Runtimes {
    /// The builtin one, `runc` and `crun` where they are in `PATH`, and `added` (`--add-runtime name=path`).
    ///
    /// # Errors
    /// [`RuntimesError`] when a program is missing, the builtin's name is taken or the default is unknown.
    pub fn new(
        added: impl IntoIterator<Item = (String, PathBuf)>,
        default: Option<&str>,
    ) -> Result<Runtimes, RuntimesError> {
        let mut programs: BTreeMap<String, PathBuf> = ["runc", "crun"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), in_path(name)?)))
            .collect();
        for (name, path) in added {
            if name == BUILTIN {
                return Err(RuntimesError::Reserved);
            }
            let Some(path) = resolve(&path) else {
                return Err(RuntimesError::Missing { name, path });
            };
            programs.insert(name, path);
        }
        let runtimes = Runtimes {
            default: default.unwrap_or(BUILTIN).to_owned(),
            programs,
        };
        runtimes.get(None)?;
        Ok(runtimes)
    }

    /// The runtime of this name; none or `""` is the default.
    ///
    /// # Errors
    /// [`RuntimesError::Unknown`].
    pub fn get(&self, name: Option<&str>) -> Result<Runtime, RuntimesError> {
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.default);
        if name == BUILTIN {
            return Ok(Runtime::Builtin);
        }
        match self.programs.get(name) {
            Some(path) => Ok(Runtime::Program {
                name: name.to_owned(),
                path: path.clone(),
            }),
            None => Err(RuntimesError::Unknown(name.to_owned())),
        }
    }

    /// The default's name.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Every name, with its program where it has one.
    pub fn all(&self) -> impl Iterator<Item = (&str, Option<&PathBuf>)> {
        std::iter::once((BUILTIN, None)).chain(
            self.programs
                .iter()
                .map(|(name, path)| (name.as_str(), Some(path))),
        )
    }
}

fn resolve(path: &std::path::Path) -> Option<PathBuf> {
    match path.to_str() {
        Some(name) if !name.contains('/') => in_path(name),
        _ => path.is_file().then(|| path.to_owned()),
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")
        .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_absolute() && path.is_file())
}
