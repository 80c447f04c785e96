//! What was found in an archive, by name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::layer::printable;
use crate::store::{Fresh, MAX_CONFIG};
use crate::{Digest, ImageError, LayerError};

/// JSON files kept in memory.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;
/// Links followed from a name.
const MAX_LINKS: usize = 8;

/// A layer of the archive.
pub(super) enum LayerFile {
    Fresh(Arc<Fresh>),
    /// Its name says that the store has it: it was not unpacked.
    Known,
    /// No layer; an error only if an image wants it.
    Broken(LayerError),
}

/// The archive's files.
#[derive(Default)]
pub(super) struct Contents {
    json: HashMap<String, Vec<u8>>,
    layers: HashMap<String, LayerFile>,
    links: HashMap<String, String>,
    bytes: usize,
}

pub(super) fn malformed(detail: impl Into<String>) -> ImageError {
    ImageError::Malformed {
        what: "image archive",
        detail: detail.into(),
    }
}

impl Contents {
    pub(super) fn add_json(&mut self, name: String, bytes: Vec<u8>) -> Result<(), ImageError> {
        self.bytes += bytes.len() + name.len();
        self.json.insert(name, bytes);
        self.check()
    }

    pub(super) fn add_layer(&mut self, name: String, layer: LayerFile) -> Result<(), ImageError> {
        self.bytes += name.len();
        self.layers.insert(name, layer);
        self.check()
    }

    pub(super) fn add_link(&mut self, name: String, target: String) -> Result<(), ImageError> {
        self.bytes += name.len() + target.len();
        self.links.insert(name, target);
        self.check()
    }

    fn check(&self) -> Result<(), ImageError> {
        if self.json.len() + self.layers.len() + self.links.len() > MAX_FILES
            || self.bytes > MAX_BYTES
        {
            return Err(malformed(format!(
                "more than {MAX_FILES} files, or more than {MAX_BYTES} bytes of JSON"
            )));
        }
        Ok(())
    }

    pub(super) fn json(&self, name: &str) -> Option<&[u8]> {
        self.resolve(name)
            .find_map(|name| self.json.get(name))
            .map(Vec::as_slice)
    }

    /// A JSON blob of an OCI layout, checked against its name.
    pub(super) fn json_blob(
        &self,
        digest: Digest,
        what: &'static str,
    ) -> Result<&[u8], ImageError> {
        let bytes = self
            .json(&format!("blobs/sha256/{}", digest.hex()))
            .ok_or_else(|| {
                malformed(format!(
                    "{what} {digest} is missing, or larger than {MAX_CONFIG} bytes"
                ))
            })?;
        match Digest::of(bytes) {
            actual if actual != digest => Err(ImageError::DigestMismatch {
                what,
                expected: digest,
                actual,
            }),
            _ => Ok(bytes),
        }
    }

    /// The layer by a name, if it is what the config says.
    pub(super) fn layer(
        &self,
        name: &str,
        diff_id: Digest,
    ) -> Result<Option<Arc<Fresh>>, ImageError> {
        let file = self.resolve(name).find_map(|name| self.layers.get(name));
        match file {
            None => Err(malformed(format!(
                "layer \"{}\" is missing",
                printable(name.as_bytes())
            ))),
            Some(LayerFile::Known) => Ok(None),
            Some(LayerFile::Broken(error)) => Err(malformed(format!(
                "layer \"{}\": {error}",
                printable(name.as_bytes())
            ))),
            Some(LayerFile::Fresh(fresh)) if fresh.taken.diff_id != diff_id => {
                Err(ImageError::DigestMismatch {
                    what: "layer's content",
                    expected: diff_id,
                    actual: fresh.taken.diff_id,
                })
            }
            Some(LayerFile::Fresh(fresh)) => Ok(Some(Arc::clone(fresh))),
        }
    }

    /// The name and what it links to.
    fn resolve<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(name), |name| self.links.get(*name).map(String::as_str))
            .take(MAX_LINKS)
    }
}

/// A name in an archive in its shortest form; none if it leads out.
pub(super) fn clean(name: &[u8]) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in std::str::from_utf8(name).ok()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
