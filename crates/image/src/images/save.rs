//! Into an archive.

use tokio::io::AsyncWrite;

use super::{Images, Inner};
use crate::archive::{ImageToSave, LayerToSave, write};
use crate::store::{Catalog, Pin};
use crate::{ImageAction, ImageError, ImageId, Reference};

impl Images {
    /// Writes images as `docker save` does: `manifest.json` and an OCI layout in one tar, shared layers once. A name
    /// without a tag means all tags of its repository. Nothing is written where a name means nothing.
    pub async fn save(
        &self,
        names: &[String],
        out: impl AsyncWrite + Send + Unpin,
    ) -> Result<(), ImageError> {
        // Outlives the lock, which the end of a pin takes.
        let mut pins = Vec::<Pin>::new();
        let (images, events) = {
            let mut state = self.inner.keep.lock();
            let chosen = choose(&state.catalog, names)?;
            let (mut images, mut events) = (Vec::new(), Vec::new());
            for (id, tags) in chosen {
                let Some(image) = state.catalog.images.get(&id).cloned() else {
                    continue;
                };
                let mut layers = Vec::new();
                for layer in &image.layers {
                    pins.push(self.inner.keep.pin(&mut state, layer.diff_id));
                    // An image in the catalogue has its layers there.
                    let row = state.catalog.layers.get(&layer.diff_id);
                    let row = row.ok_or(ImageError::Interrupted)?;
                    layers.push(LayerToSave {
                        digest: row.blob,
                        size: row.blob_size,
                        path: self.inner.files.blob(row.blob),
                    });
                }
                events.push(Inner::event(ImageAction::Save, &image, id.to_string()));
                images.push(ImageToSave {
                    config: image.config_json.clone(),
                    tags,
                    layers,
                });
            }
            (images, events)
        };
        write(&images, out).await?;
        drop(pins);
        for event in events {
            // Nobody may be listening.
            let _ = self.inner.events.send(event);
        }
        Ok(())
    }
}

/// The images that the names mean, each once, with the tags that were asked for.
fn choose(
    catalog: &Catalog,
    names: &[String],
) -> Result<Vec<(ImageId, Vec<Reference>)>, ImageError> {
    let mut chosen: Vec<(ImageId, Vec<Reference>)> = Vec::new();
    let mut add = |id: ImageId, tag: Option<Reference>| {
        let at = chosen
            .iter()
            .position(|(known, _)| *known == id)
            .unwrap_or_else(|| {
                chosen.push((id, Vec::new()));
                chosen.len() - 1
            });
        if let Some(tag) = tag
            && !chosen[at].1.contains(&tag)
        {
            chosen[at].1.push(tag);
        }
    };
    for name in names {
        let reference = Reference::parse(name).ok();
        if let Some(repository) = reference.as_ref().filter(|_| Reference::is_name_only(name)) {
            let of_repository =
                |tag: &&Reference| tag.digest().is_none() && tag.same_repository(repository);
            let tags: Vec<&Reference> = catalog.names.keys().filter(of_repository).collect();
            for tag in &tags {
                add(catalog.names[*tag], Some((*tag).clone()));
            }
            if !tags.is_empty() {
                continue;
            }
        }
        let image = catalog.find(name)?;
        // An id has no tag to keep.
        let tag = reference
            .filter(|tag| tag.digest().is_none() && catalog.names.get(tag) == Some(&image.id));
        add(image.id, tag);
    }
    Ok(chosen)
}
