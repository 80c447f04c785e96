//! One change of the store: database, files, catalogue, in this order.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Transaction, params};
use time::OffsetDateTime;

use super::catalog::{Catalog, LayerRow};
use super::config::ParsedConfig;
use super::database::Database;
use super::files::{Files, Scratch};
use super::keep::Keep;
use crate::error::IoContext;
use crate::layer::TakenIn;
use crate::{Digest, Image, ImageError, ImageId, Layer, Reference};

/// A layer in `tmp/`, checked and ready. Several jobs may have it; the first to commit moves it to its place.
pub(crate) struct Fresh {
    pub(crate) taken: TakenIn,
    scratch: Mutex<Option<Scratch>>,
}

impl Fresh {
    pub(crate) fn new(taken: TakenIn, scratch: Scratch) -> Fresh {
        Fresh {
            taken,
            scratch: Mutex::new(Some(scratch)),
        }
    }
}

/// An image to be added.
pub(crate) struct NewImage {
    pub(crate) config: ParsedConfig,
    /// Those of its layers that may not be in the store yet.
    pub(crate) fresh: Vec<Arc<Fresh>>,
}

/// What is to be changed, all or nothing.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) add: Vec<NewImage>,
    pub(crate) set_names: Vec<(Reference, ImageId)>,
    pub(crate) drop_names: Vec<Reference>,
    pub(crate) delete: Vec<ImageId>,
    /// Deleted, but the layers stay for stopped containers.
    pub(crate) keep: Vec<ImageId>,
    /// Whether layers go that no image has, even where none is deleted: a cancelled job may have held them.
    pub(crate) sweep: bool,
}

/// What went.
#[derive(Default)]
pub(crate) struct Changed {
    /// Layers that no image has any more.
    pub(crate) layers_gone: Vec<LayerRow>,
    /// Layers that came.
    pub(crate) layers_new: Vec<i64>,
}

impl Change {
    /// Makes the change. Blocking; the caller has the turn.
    pub(crate) fn apply(
        self,
        files: &Files,
        database: &Database,
        keep: &Keep,
        boot: &str,
    ) -> Result<Changed, ImageError> {
        let now = OffsetDateTime::now_utc();
        let mut moved = Moved {
            files,
            done: Vec::new(),
        };
        let gone = self.take_layers_to_drop(keep);
        let rows = database.change(|transaction| {
            let mut rows = Vec::new();
            for image in &self.add {
                add_layers(transaction, keep, image, boot, &mut moved, &mut rows)?;
                transaction.execute(
                    "INSERT INTO images (id, config, tagged) VALUES (?1, ?2, ?3)
                     ON CONFLICT (id) DO UPDATE SET kept = 0",
                    params![image.config.id.to_string(), image.config.json, nanos(now)],
                )?;
            }
            self.write_names(transaction, now)?;
            for id in &self.keep {
                transaction.execute(
                    "UPDATE images SET kept = 1 WHERE id = ?1",
                    params![id.to_string()],
                )?;
            }
            for id in &self.delete {
                transaction.execute("DELETE FROM images WHERE id = ?1", params![id.to_string()])?;
            }
            for layer in &gone {
                transaction.execute("DELETE FROM layers WHERE n = ?1", params![layer.n])?;
            }
            Ok(rows)
        });
        let rows = rows.inspect_err(|_| {
            keep.lock()
                .catalog
                .layers
                .extend(gone.iter().map(|row| (row.diff_id, row.clone())));
        })?;
        moved.done.clear();
        let layers_new = rows.iter().map(|row| row.n).collect();
        let remaining = self.update_catalog(files, &mut keep.lock().catalog, rows, now)?;
        for layer in &gone {
            let blob = (!remaining.contains(&layer.blob)).then(|| files.blob(layer.blob));
            for path in std::iter::once(files.layer(layer.n)).chain(blob) {
                // Without a row it is removed at the next start at the latest.
                if let Err(error) = files.discard(&path) {
                    tracing::warn!(path = %path.display(), %error, "layer not removed");
                }
            }
        }
        Ok(Changed {
            layers_gone: gone,
            layers_new,
        })
    }

    fn write_names(
        &self,
        transaction: &Transaction<'_>,
        now: OffsetDateTime,
    ) -> Result<(), ImageError> {
        for name in &self.drop_names {
            transaction.execute(
                "DELETE FROM names WHERE reference = ?1",
                params![name.to_string()],
            )?;
        }
        for (name, id) in &self.set_names {
            transaction.execute(
                "INSERT INTO names (reference, image) VALUES (?1, ?2)
                 ON CONFLICT (reference) DO UPDATE SET image = excluded.image",
                params![name.to_string(), id.to_string()],
            )?;
            transaction.execute(
                "UPDATE images SET tagged = ?2 WHERE id = ?1",
                params![id.to_string(), nanos(now)],
            )?;
        }
        Ok(())
    }

    /// Layers that no image has after the change and no job relies on; also those that a job left behind. They leave
    /// the catalogue here, so that no job begins to rely on them.
    fn take_layers_to_drop(&self, keep: &Keep) -> Vec<LayerRow> {
        if self.delete.is_empty() && !self.sweep {
            return Vec::new();
        }
        let mut state = keep.lock();
        let catalog = &state.catalog;
        let used: HashSet<Digest> = catalog
            .images
            .values()
            .chain(catalog.kept.values())
            .filter(|image| !self.delete.contains(&image.id))
            .flat_map(|image| image.layers.iter().map(|layer| layer.diff_id))
            .collect();
        let free = |row: &&LayerRow| !used.contains(&row.diff_id) && !state.is_pinned(row.diff_id);
        let gone: Vec<LayerRow> = catalog.layers.values().filter(free).cloned().collect();
        for row in &gone {
            state.catalog.layers.remove(&row.diff_id);
        }
        gone
    }

    /// Returns the blobs that are still wanted.
    fn update_catalog(
        self,
        files: &Files,
        catalog: &mut Catalog,
        rows: Vec<LayerRow>,
        now: OffsetDateTime,
    ) -> Result<HashSet<Digest>, ImageError> {
        catalog
            .layers
            .extend(rows.into_iter().map(|row| (row.diff_id, row)));
        let mut touched = HashSet::new();
        for new in self.add {
            let id = new.config.id;
            catalog.kept.remove(&id);
            if !catalog.images.contains_key(&id) {
                let image = build_image(files, catalog, new.config, now)?;
                catalog.images.insert(id, Arc::new(image));
            }
        }
        for name in self.drop_names {
            touched.extend(catalog.names.remove(&name));
        }
        for (name, id) in self.set_names {
            touched.extend(catalog.names.insert(name, id));
            touched.insert(id);
            if let Some(image) = catalog.images.get_mut(&id) {
                Arc::make_mut(image).last_tagged = now;
            }
        }
        for id in self.keep {
            if let Some(image) = catalog.images.remove(&id) {
                catalog.kept.insert(id, image);
            }
        }
        for id in self.delete {
            catalog.images.remove(&id);
            catalog.kept.remove(&id);
        }
        for id in touched {
            catalog.refresh(id);
        }
        Ok(catalog.layers.values().map(|row| row.blob).collect())
    }
}

/// Writes rows for the layers that are not there yet and moves them to their place.
fn add_layers(
    transaction: &Transaction<'_>,
    keep: &Keep,
    image: &NewImage,
    boot: &str,
    moved: &mut Moved<'_>,
    rows: &mut Vec<LayerRow>,
) -> Result<(), ImageError> {
    for fresh in &image.fresh {
        let TakenIn {
            digest,
            blob_size,
            diff_id,
            size,
        } = fresh.taken;
        if keep.lock().catalog.layers.contains_key(&diff_id)
            || rows.iter().any(|row| row.diff_id == diff_id)
        {
            continue;
        }
        let scratch = fresh
            .scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Whoever took it committed it; if it isn't in the catalogue now, it was deleted since.
        let scratch = scratch.ok_or(ImageError::Interrupted)?;
        transaction.execute(
            "INSERT INTO layers (diff_id, size, blob, blob_size, unsettled) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![diff_id.to_string(), size, digest.to_string(), blob_size, boot],
        )?;
        let n = transaction.last_insert_rowid();
        moved.take(scratch.blob(), moved.files.blob(digest), false)?;
        moved.take(scratch.folder(), moved.files.layer(n), true)?;
        rows.push(LayerRow {
            n,
            diff_id,
            size,
            blob: digest,
            blob_size,
            unsettled: Some(boot.to_owned()),
        });
    }
    let state = keep.lock();
    let is_there = |diff_id| {
        state.catalog.layers.contains_key(diff_id) || rows.iter().any(|row| row.diff_id == *diff_id)
    };
    if image.config.diff_ids.iter().all(is_there) {
        Ok(())
    } else {
        Err(ImageError::Interrupted)
    }
}

/// Files moved to their place for rows that are not committed yet: taken away again if they never are.
struct Moved<'a> {
    files: &'a Files,
    done: Vec<PathBuf>,
}

impl Moved<'_> {
    fn take(&mut self, from: PathBuf, to: PathBuf, undo: bool) -> Result<(), ImageError> {
        if undo {
            // Left by a transaction that was rolled back in a crash.
            self.files.discard(&to)?;
        }
        std::fs::rename(&from, &to).at("move to its place", &to)?;
        if undo {
            self.done.push(to);
        }
        Ok(())
    }
}

impl Drop for Moved<'_> {
    fn drop(&mut self) {
        for path in &self.done {
            if let Err(error) = self.files.discard(path) {
                tracing::warn!(path = %path.display(), %error, "layer not removed");
            }
        }
    }
}

pub(super) fn build_image(
    files: &Files,
    catalog: &Catalog,
    parsed: ParsedConfig,
    tagged: OffsetDateTime,
) -> Result<Image, ImageError> {
    let layers = parsed
        .diff_ids
        .iter()
        .map(|diff_id| {
            let row = catalog.layers.get(diff_id).ok_or(ImageError::Interrupted)?;
            Ok(Layer {
                diff_id: *diff_id,
                size: row.size,
                path: files.layer(row.n),
            })
        })
        .collect::<Result<Vec<_>, ImageError>>()?;
    Ok(Image {
        id: parsed.id,
        repo_tags: Vec::new(),
        repo_digests: Vec::new(),
        created: parsed.created(),
        last_tagged: tagged,
        size: layers
            .iter()
            .fold(0u64, |sum, layer| sum.saturating_add(layer.size)),
        config: parsed.config,
        config_json: parsed.json,
        layers,
    })
}

fn nanos(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}
