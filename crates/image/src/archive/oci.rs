//! `index.json` of an OCI layout.

use std::collections::HashMap;

use serde::Deserialize;

use super::contents::{Contents, malformed};
use super::read::Loadable;
use crate::registry::{Manifest, check_config_type, check_layer_type};
use crate::store::ParsedConfig;
use crate::{Digest, ImageError, Platform, Reference};

/// The full name, as containerd and Docker write it.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";
/// The tag, or the full name with some tools.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    digest: String,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

pub(super) fn images(contents: &Contents, index: &[u8]) -> Result<Vec<Loadable>, ImageError> {
    let index: Index =
        serde_json::from_slice(index).map_err(|error| malformed(format!("index.json: {error}")))?;
    let mut images: Vec<Loadable> = Vec::new();
    for item in index.manifests {
        let image = image(contents, &item)?;
        // One image under several names has an entry for each.
        match images
            .iter_mut()
            .find(|known| known.config.id == image.config.id)
        {
            Some(known) => known.tags.extend(image.tags),
            None => images.push(image),
        }
    }
    Ok(images)
}

fn image(contents: &Contents, item: &Item) -> Result<Loadable, ImageError> {
    let digest: Digest = item.digest.parse()?;
    let (config, layers) = resolve(contents, digest, 0)?;
    check_config_type(&config.media_type)?;
    let config = ParsedConfig::parse(contents.json_blob(config.digest, "image config")?.to_vec())?;
    if config.diff_ids.len() != layers.len() {
        return Err(malformed("invalid manifest, layers length mismatch"));
    }
    let mut fresh = Vec::new();
    for (layer, diff_id) in layers.iter().zip(&config.diff_ids) {
        check_layer_type(&layer.media_type)?;
        fresh.extend(contents.layer(&format!("blobs/sha256/{}", layer.digest.hex()), *diff_id)?);
    }
    Ok(Loadable {
        config,
        fresh,
        tags: tag(&item.annotations)?.into_iter().collect(),
    })
}

type ConfigAndLayers = (
    crate::registry::Descriptor,
    Vec<crate::registry::Descriptor>,
);

fn resolve(
    contents: &Contents,
    digest: Digest,
    depth: usize,
) -> Result<ConfigAndLayers, ImageError> {
    match Manifest::parse(contents.json_blob(digest, "image manifest")?)? {
        Manifest::Image { config, layers } => Ok((config, layers)),
        Manifest::List(list) if depth < 2 => {
            resolve(contents, list.select(&Platform::host())?.digest, depth + 1)
        }
        Manifest::List(_) => Err(malformed("a list within a list within a list")),
        Manifest::Schema1 => Err(malformed(
            "an image manifest of schema 1, which is not supported",
        )),
    }
}

fn tag(annotations: &HashMap<String, String>) -> Result<Option<Reference>, ImageError> {
    let name = match (annotations.get(IMAGE_NAME), annotations.get(REF_NAME)) {
        (Some(name), _) => name,
        // A tag alone names nothing.
        (None, Some(name)) if name.contains([':', '/']) => name,
        _ => return Ok(None),
    };
    let reference = Reference::parse(name)?;
    if reference.digest().is_some() {
        return Err(ImageError::TagWithDigest);
    }
    Ok(Some(reference))
}
