//! Writing an archive that is both: `manifest.json` for `docker load`, `index.json` for OCI tools.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::docker::Item;
use super::oci::{IMAGE_NAME, REF_NAME};
use crate::layer::{Compression, tar_header};
use crate::{Digest, ImageError, Reference};

/// Bytes copied at a time.
const BUFFER: usize = 256 << 10;

/// An image to be written.
pub(crate) struct ImageToSave {
    pub(crate) config: Vec<u8>,
    pub(crate) tags: Vec<Reference>,
    pub(crate) layers: Vec<LayerToSave>,
}

/// A layer's blob.
#[derive(Clone)]
pub(crate) struct LayerToSave {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
}

/// Writes all images; blobs that several have are written once.
pub(crate) async fn write(
    images: &[ImageToSave],
    out: impl AsyncWrite + Unpin,
) -> Result<(), ImageError> {
    let mut tar = Tar {
        out,
        written: HashSet::new(),
    };
    let (mut items, mut index) = (Vec::new(), Vec::new());
    tar.folder("blobs/").await?;
    tar.folder("blobs/sha256/").await?;
    for image in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let compression = tar.blob(layer).await?;
            layers.push(json!({
                "mediaType": compression.media_type(),
                "digest": layer.digest.to_string(),
                "size": layer.size,
            }));
        }
        let config = tar.json_blob(&image.config).await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.to_string(),
                "size": image.config.len(),
            },
            "layers": layers,
        })
        .to_string();
        let digest = tar.json_blob(manifest.as_bytes()).await?;
        let mut entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest.to_string(),
            "size": manifest.len(),
        });
        if image.tags.is_empty() {
            index.push(entry);
        } else {
            for tag in &image.tags {
                entry["annotations"] = json!({ IMAGE_NAME: tag.to_string(), REF_NAME: tag.tag() });
                index.push(entry.clone());
            }
        }
        items.push(Item {
            config: format!("blobs/sha256/{}", config.hex()),
            repo_tags: (!image.tags.is_empty())
                .then(|| image.tags.iter().map(Reference::familiar).collect()),
            layers: image
                .layers
                .iter()
                .map(|layer| format!("blobs/sha256/{}", layer.digest.hex()))
                .collect(),
        });
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": index,
    });
    tar.file("index.json", index.to_string().as_bytes()).await?;
    let items = serde_json::to_vec(&items).map_err(|error| ImageError::Malformed {
        what: "manifest.json",
        detail: error.to_string(),
    })?;
    tar.file("manifest.json", &items).await?;
    tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .await?;
    tar.end().await
}

struct Tar<W> {
    out: W,
    written: HashSet<Digest>,
}

impl<W: AsyncWrite + Unpin> Tar<W> {
    async fn put(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let result = self.out.write_all(bytes).await;
        result.map_err(|source| ImageError::Stream {
            doing: "write the archive",
            source,
        })
    }

    async fn folder(&mut self, name: &str) -> Result<(), ImageError> {
        self.put(&tar_header(name, 0, true)).await
    }

    async fn pad(&mut self, size: u64) -> Result<(), ImageError> {
        let rest = usize::try_from(size % 512).unwrap_or(0);
        if rest == 0 {
            Ok(())
        } else {
            self.put(&[0; 512][rest..]).await
        }
    }

    async fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
        self.put(&tar_header(name, bytes.len() as u64, false))
            .await?;
        self.put(bytes).await?;
        self.pad(bytes.len() as u64).await
    }

    async fn json_blob(&mut self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let digest = Digest::of(bytes);
        if self.written.insert(digest) {
            self.file(&format!("blobs/sha256/{}", digest.hex()), bytes)
                .await?;
        }
        Ok(digest)
    }

    async fn blob(&mut self, layer: &LayerToSave) -> Result<Compression, ImageError> {
        let failed = |source| ImageError::Io {
            doing: "read",
            path: layer.path.clone(),
            source,
        };
        let mut file = tokio::fs::File::open(&layer.path).await.map_err(failed)?;
        file.set_max_buf_size(BUFFER);
        let mut buffer = vec![0; BUFFER];
        let mut len = file.read(&mut buffer).await.map_err(failed)?;
        let compression = Compression::of(&buffer[..len]);
        if !self.written.insert(layer.digest) {
            return Ok(compression);
        }
        self.put(&tar_header(
            &format!("blobs/sha256/{}", layer.digest.hex()),
            layer.size,
            false,
        ))
        .await?;
        let mut done = 0;
        while len > 0 {
            done += len as u64;
            if done > layer.size {
                break;
            }
            self.put(&buffer[..len]).await?;
            len = file.read(&mut buffer).await.map_err(failed)?;
        }
        if done != layer.size {
            let (digest, expected) = (layer.digest, layer.size);
            return Err(ImageError::SizeMismatch {
                what: "stored layer",
                digest,
                expected,
                actual: done,
            });
        }
        self.pad(layer.size).await?;
        Ok(compression)
    }

    async fn end(mut self) -> Result<(), ImageError> {
        self.put(&[0; 1024]).await?;
        let result = self.out.shutdown().await;
        result.map_err(|source| ImageError::Stream {
            doing: "write the archive",
            source,
        })
    }
}
