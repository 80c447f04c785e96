//! A machine's context in docker's store, so that docker and its kin reach the engine by name.
//!
//! `contexts/meta/<SHA-256 of the name>/meta.json` in docker's configuration folder, as docker's CLI writes it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::name::MachineName;
use crate::spec::write_atomically;

const MAX_BYTES: u64 = 1024 * 1024;
/// By this key in its metadata a context is known to be a machine's.
const MARK: &str = "GantryMachine";

/// Why a context could not be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// Somebody else's context has the name.
    #[error("the context {name} is there already and is not this machine's: it is left alone")]
    Foreign {
        /// The context.
        name: String,
    },
    /// A file.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn folder(config: &Path, context: &str) -> PathBuf {
    let digest = hex::encode(Sha256::digest(context));
    config.join("contexts").join("meta").join(digest)
}

/// Writes the context of machine `name` into docker's configuration folder `config`; `host` goes into `DOCKER_HOST`.
pub fn write(config: &Path, name: &MachineName, host: &str) -> Result<(), ContextError> {
    let context = name.context();
    let folder = folder(config, &context);
    let path = folder.join("meta.json");
    if path.exists() && !is_ours(&path, name) {
        return Err(ContextError::Foreign { name: context });
    }
    let meta = json!({
        "Name": context,
        "Metadata": {"Description": format!("Gantry's machine {name}"), MARK: name.as_str()},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": false}},
    });
    let written = fs::create_dir_all(&folder)
        .and_then(|()| write_atomically(&path, meta.to_string().as_bytes()));
    written.map_err(|source| ContextError::File {
        action: "write",
        path,
        source,
    })
}

/// Removes the context of machine `name`; no error where there is none.
pub fn remove(config: &Path, name: &MachineName) -> Result<(), ContextError> {
    let context = name.context();
    let folder = folder(config, &context);
    let path = folder.join("meta.json");
    if !path.exists() {
        return Ok(());
    }
    if !is_ours(&path, name) {
        return Err(ContextError::Foreign { name: context });
    }
    fs::remove_dir_all(&folder).map_err(|source| ContextError::File {
        action: "remove",
        path: folder,
        source,
    })
}

fn is_ours(path: &Path, name: &MachineName) -> bool {
    let meta: Option<Value> = File::open(path)
        .ok()
        .and_then(|file| serde_json::from_reader(file.take(MAX_BYTES)).ok());
    meta.is_some_and(|meta| meta["Metadata"][MARK] == name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_written_rewritten_and_removed() {
        let config = tempfile::tempdir().unwrap();
        let name = MachineName::default();
        write(config.path(), &name, "unix:///a").unwrap();
        write(config.path(), &name, "unix:///b").unwrap();
        // The digest of "gantry-default", as docker computes it.
        let digest = hex::encode(Sha256::digest("gantry-default"));
        let path = config
            .path()
            .join("contexts/meta")
            .join(digest)
            .join("meta.json");
        let meta: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(meta["Endpoints"]["docker"]["Host"], "unix:///b");
        remove(config.path(), &name).unwrap();
        assert!(!path.parent().unwrap().exists());
        remove(config.path(), &name).unwrap();
    }

    #[test]
    fn a_context_of_somebody_else_is_left_alone() {
        let config = tempfile::tempdir().unwrap();
        let name = MachineName::default();
        let folder = folder(config.path(), "gantry-default");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("meta.json"), r#"{"Name":"gantry-default"}"#).unwrap();
        assert!(write(config.path(), &name, "unix:///a").is_err());
        assert!(remove(config.path(), &name).is_err());
        assert!(folder.join("meta.json").exists());
    }
}
