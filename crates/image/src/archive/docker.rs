//! `manifest.json` of `docker save`.

use serde::{Deserialize, Serialize};

use super::contents::{Contents, clean, malformed};
use super::read::Loadable;
use crate::store::ParsedConfig;
use crate::{ImageError, Reference};

/// One image.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    pub(super) config: String,
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Vec<String>,
}

pub(super) fn images(contents: &Contents, manifest: &[u8]) -> Result<Vec<Loadable>, ImageError> {
    let items: Vec<Item> = serde_json::from_slice(manifest)
        .map_err(|error| malformed(format!("manifest.json: {error}")))?;
    items
        .into_iter()
        .map(|item| image(contents, item))
        .collect()
}

fn image(contents: &Contents, item: Item) -> Result<Loadable, ImageError> {
    let name =
        |name: &str| clean(name.as_bytes()).ok_or_else(|| malformed("a name leads out of it"));
    let config = contents
        .json(&name(&item.config)?)
        .ok_or_else(|| malformed("the config is missing"))?;
    let config = ParsedConfig::parse(config.to_vec())?;
    if config.diff_ids.len() != item.layers.len() {
        return Err(malformed("invalid manifest, layers length mismatch"));
    }
    let mut fresh = Vec::new();
    for (layer, diff_id) in item.layers.iter().zip(&config.diff_ids) {
        fresh.extend(contents.layer(&name(layer)?, *diff_id)?);
    }
    let tags = item
        .repo_tags
        .unwrap_or_default()
        .iter()
        .map(|tag| Reference::parse(tag))
        .collect::<Result<Vec<_>, _>>()?;
    if tags.iter().any(|tag| tag.digest().is_some()) {
        return Err(ImageError::TagWithDigest);
    }
    Ok(Loadable {
        config,
        fresh,
        tags,
    })
}
