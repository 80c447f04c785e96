//! What callers see of an image.

use std::path::PathBuf;

use oci_spec::image::ImageConfiguration;
use time::OffsetDateTime;

use crate::{Digest, ImageId, Platform, Reference};

/// One image, as it was when asked for.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of the config.
    pub id: ImageId,
    /// Tags, sorted.
    pub repo_tags: Vec<Reference>,
    /// Digests under which registries know it (`name@sha256:…`), sorted.
    pub repo_digests: Vec<Reference>,
    /// When it was built; the epoch where the config says nothing.
    pub created: OffsetDateTime,
    /// When its last tag was set here, else when it came here.
    pub last_tagged: OffsetDateTime,
    /// Bytes of all its files.
    pub size: u64,
    /// The config as parsed.
    pub config: ImageConfiguration,
    /// The config as it came: it has fields the OCI type lacks (`Healthcheck`, `Shell`, `OnBuild`).
    pub config_json: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Platform that the config names.
    pub fn platform(&self) -> Platform {
        Platform::of_config(&self.config)
    }

    /// Whether it has no tag (`<none>:<none>` in lists).
    pub fn is_dangling(&self) -> bool {
        self.repo_tags.is_empty()
    }
}

/// One unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of its files.
    pub size: u64,
    /// The folder to give to overlayfs.
    pub path: PathBuf,
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub id: ImageId,
    /// Digest of the manifest (or list) that the registry has under the name.
    pub digest: Digest,
    /// What it is called here.
    pub reference: Reference,
    /// False when the name already meant this image.
    pub newer: bool,
}

/// One image that an archive brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: ImageId,
    /// The tags it came with; none means `Loaded image ID: …`.
    pub references: Vec<Reference>,
}

/// One line of `remove`'s answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A familiar reference.
    Untagged(String),
    /// `sha256:…` of an image, or the chain id of a layer.
    Deleted(String),
}

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The container's full id.
    pub container_id: String,
    /// Whether it runs.
    pub running: bool,
}

/// One step in the making of an image, newest first as `docker history` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Only the top one has an image.
    pub id: Option<ImageId>,
    /// When, the epoch where not said.
    pub created: OffsetDateTime,
    /// The command.
    pub created_by: String,
    /// Tags of the image on the top entry.
    pub tags: Vec<Reference>,
    /// Bytes of the layer it made, 0 for none.
    pub size: u64,
    /// A remark.
    pub comment: String,
}

/// Disk space of all images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of all unpacked layers, each once.
    pub layers_size: u64,
    /// Each image's part.
    pub images: Vec<ImageUsage>,
}

/// Disk space of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image.
    pub id: ImageId,
    /// Bytes of its layers.
    pub size: u64,
    /// Bytes of those layers that other images have too.
    pub shared_size: u64,
}
