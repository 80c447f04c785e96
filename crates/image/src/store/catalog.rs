//! Everything known, in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::{Digest, Image, ImageError, ImageId, Reference};

/// A layer that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerRow {
    pub(crate) n: i64,
    pub(crate) diff_id: Digest,
    pub(crate) size: u64,
    pub(crate) blob: Digest,
    pub(crate) blob_size: u64,
    pub(crate) unsettled: Option<String>,
}

/// Images, their names and their layers.
#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) images: HashMap<ImageId, Arc<Image>>,
    /// Deleted, but a stopped container's root is on them.
    pub(crate) kept: HashMap<ImageId, Arc<Image>>,
    pub(crate) layers: HashMap<Digest, LayerRow>,
    /// Tags and `name@sha256:…` alike.
    pub(crate) names: BTreeMap<Reference, ImageId>,
}

impl Catalog {
    /// The image that a person means: a full id, then a name, then the unique start of an id, as Docker has it.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Image>, ImageError> {
        if let Some(id) = full_id(name) {
            return self
                .images
                .get(&id)
                .cloned()
                .ok_or_else(|| ImageError::NotFound(name.to_owned()));
        }
        let reference = match Reference::parse(name) {
            Ok(reference) => reference,
            Err(error) => return self.find_prefix(name).ok_or(error.into()),
        };
        if let Some(image) = self.find_reference(&reference) {
            return Ok(image);
        }
        self.find_prefix(name)
            .ok_or_else(|| ImageError::NotFound(reference.familiar()))
    }

    /// By a name; a digest is more exact than the tag beside it.
    pub(crate) fn find_reference(&self, reference: &Reference) -> Option<Arc<Image>> {
        let by_digest;
        let key = match reference.digest() {
            Some(digest) => {
                by_digest = reference.with_digest(digest);
                &by_digest
            }
            None => reference,
        };
        self.images.get(self.names.get(key)?).cloned()
    }

    fn find_prefix(&self, name: &str) -> Option<Arc<Image>> {
        if !is_id_prefix_text(name) {
            return None;
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        let mut fitting = self
            .images
            .values()
            .filter(|image| image.id.hex().starts_with(prefix));
        let first = fitting.next()?;
        fitting.next().is_none().then(|| Arc::clone(first))
    }

    /// All names of an image, sorted as written.
    pub(crate) fn references(&self, id: ImageId) -> Vec<Reference> {
        let mut all: Vec<Reference> = self
            .names
            .iter()
            .filter(|(_, image)| **image == id)
            .map(|(name, _)| name.clone())
            .collect();
        all.sort_by_key(Reference::to_string);
        all
    }

    /// Brings the names that an image itself carries up to date.
    pub(crate) fn refresh(&mut self, id: ImageId) {
        let (digests, tags) = self
            .references(id)
            .into_iter()
            .partition(|name| name.digest().is_some());
        if let Some(image) = self.images.get_mut(&id) {
            let image = Arc::make_mut(image);
            (image.repo_digests, image.repo_tags) = (digests, tags);
        }
    }

    /// Layers of all images, the kept ones too.
    pub(crate) fn layers_in_use(&self) -> HashSet<Digest> {
        self.images
            .values()
            .chain(self.kept.values())
            .flat_map(|i| i.layers.iter().map(|l| l.diff_id))
            .collect()
    }
}

/// `sha256:<64>` or `<64>`.
pub(crate) fn full_id(name: &str) -> Option<ImageId> {
    match name.len() {
        64 => format!("sha256:{name}").parse().ok(),
        _ => name.parse().ok(),
    }
}

fn is_id_prefix_text(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    !digits.is_empty()
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether `name` was meant as (the start of) this id, not as a name.
pub(crate) fn is_id_prefix(id: ImageId, name: &str) -> bool {
    is_id_prefix_text(name)
        && id
            .hex()
            .starts_with(name.strip_prefix("sha256:").unwrap_or(name))
}
