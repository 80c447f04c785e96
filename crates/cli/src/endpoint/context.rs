//! Docker's contexts: named endpoints under `contexts/meta/<digest>/meta.json` in the configuration's folder.

use std::path::Path;

use serde::Deserialize;

use super::DEFAULT_CONTEXT;
use crate::error::{CliError, Result};

/// A larger file isn't a context.
const MAX_BYTES: u64 = 1024 * 1024;

/// One context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// What its maker wrote about it.
    pub description: String,
    /// The engine's address.
    pub host: String,
    /// Certificates lie beside it.
    pub has_tls: bool,
    /// `meta.json`'s folder; none for `default`.
    pub folder: Option<std::path::PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    #[serde(default)]
    host: String,
}

/// The contexts in `config_dir`, sorted by name, without `default`. What is no context is left out.
pub fn list(config_dir: Option<&Path>) -> Result<Vec<Context>> {
    let Some(config_dir) = config_dir else {
        return Ok(Vec::new());
    };
    let meta = config_dir.join("contexts").join("meta");
    let entries = match std::fs::read_dir(&meta) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(CliError::file("read", meta)(error)),
    };
    let mut contexts: Vec<Context> = entries
        .filter_map(|entry| read(config_dir, &entry.ok()?.path()))
        .collect();
    contexts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(contexts)
}

fn read(config_dir: &Path, folder: &Path) -> Option<Context> {
    let file = std::fs::File::open(folder.join("meta.json")).ok()?;
    let meta: Meta = serde_json::from_reader(std::io::Read::take(file, MAX_BYTES)).ok()?;
    let digest = folder.file_name()?;
    let tls = config_dir
        .join("contexts")
        .join("tls")
        .join(digest)
        .join("docker");
    Some(Context {
        name: meta.name,
        description: meta.metadata.description,
        host: meta
            .endpoints
            .docker
            .map(|docker| docker.host)
            .unwrap_or_default(),
        has_tls: tls.is_dir(),
        folder: Some(folder.to_owned()),
    })
}

/// The context `name`, which is not `default`.
pub fn find(config_dir: Option<&Path>, name: &str) -> Result<Context> {
    debug_assert_ne!(name, DEFAULT_CONTEXT);
    list(config_dir)?
        .into_iter()
        .find(|context| context.name == name)
        .ok_or_else(|| {
            CliError::invalid(format!(
                "context {name:?}: context not found. `gantry context ls` shows which there are"
            ))
        })
}
