//! Disk space.

use std::collections::HashMap;

use super::Images;
use super::remove::size_of;
use crate::{ImageError, ImageUsage, Usage};

impl Images {
    /// Disk space used.
    pub async fn usage(&self) -> Result<Usage, ImageError> {
        let state = self.inner.keep.lock();
        let catalog = &state.catalog;
        let mut owners: HashMap<_, u32> = HashMap::new();
        for image in catalog.images.values() {
            let mut layers: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
            layers.sort();
            layers.dedup();
            for layer in layers {
                *owners.entry(layer).or_default() += 1;
            }
        }
        let shared = |diff_id| owners.get(diff_id).is_some_and(|count| *count > 1);
        let mut images: Vec<ImageUsage> = catalog
            .images
            .values()
            .map(|image| ImageUsage {
                id: image.id,
                size: image.size,
                shared_size: image
                    .layers
                    .iter()
                    .filter(|layer| shared(&layer.diff_id))
                    .map(|layer| layer.size)
                    .fold(0, u64::saturating_add),
            })
            .collect();
        images.sort_by_key(|image| image.id);
        Ok(Usage {
            layers_size: size_of(catalog.layers.values()),
            images,
        })
    }
}
