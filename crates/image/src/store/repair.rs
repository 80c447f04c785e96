//! Opening the store: what a crash or a power cut left is removed, made again, or told of.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusqlite::params;
use time::OffsetDateTime;

use super::catalog::{Catalog, LayerRow};
use super::change::build_image;
use super::config::ParsedConfig;
use super::database::Database;
use super::files::Files;
use crate::error::IoContext;
use crate::layer::{Expected, Intake, Wanted, remove_path, take_in};
use crate::{Digest, ImageError, ImageId, LayerError, Reference};

/// Opens everything in `root`. Blocking.
pub(crate) fn open(root: &Path, boot: &str) -> Result<(Files, Database, Catalog), ImageError> {
    let files = Files::open(root)?;
    let database = Database::open(&files.database())?;
    let catalog = load(&files, &database, boot)?;
    remove_strangers(&files, &catalog)?;
    Ok((files, database, catalog))
}

fn load(files: &Files, database: &Database, boot: &str) -> Result<Catalog, ImageError> {
    let mut catalog = Catalog::default();
    let mut lost = Vec::new();
    for row in database.layers()? {
        // After another boot a layer that never settled may have holes, and still have its name.
        let doubtful = row
            .unsettled
            .as_ref()
            .is_some_and(|written| written != boot);
        if (doubtful || !files.layer(row.n).is_dir())
            && let Err(error) = make_again(files, &row)
        {
            if !is_damage(&error) {
                let (layer, source) = (row.diff_id, Box::new(error));
                return Err(ImageError::Repair { layer, source });
            }
            tracing::warn!(layer = %row.diff_id, %error, "a layer is damaged and can't be made again from its blob");
            lost.push(row);
            continue;
        }
        catalog.layers.insert(row.diff_id, row);
    }
    let broken = load_images(files, database, &mut catalog)?;
    let unused: Vec<LayerRow> = {
        let used = catalog.layers_in_use();
        catalog
            .layers
            .values()
            .filter(|row| !used.contains(&row.diff_id))
            .cloned()
            .collect()
    };
    for row in &unused {
        catalog.layers.remove(&row.diff_id);
    }
    if !(lost.is_empty() && unused.is_empty() && broken.is_empty()) {
        database.change(|transaction| {
            for row in lost.iter().chain(&unused) {
                transaction.execute("DELETE FROM layers WHERE n = ?1", params![row.n])?;
            }
            for id in &broken {
                transaction.execute("DELETE FROM images WHERE id = ?1", params![id.to_string()])?;
            }
            Ok(())
        })?;
    }
    Ok(catalog)
}

/// Returns the images that can't be had any more.
fn load_images(
    files: &Files,
    database: &Database,
    catalog: &mut Catalog,
) -> Result<Vec<ImageId>, ImageError> {
    let mut broken = Vec::new();
    for row in database.images()? {
        let tagged = OffsetDateTime::from_unix_timestamp_nanos(row.tagged.into())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let image = ParsedConfig::parse(row.config).and_then(|parsed| {
            if parsed.id != row.id {
                let (expected, actual) = (row.id.digest(), parsed.id.digest());
                return Err(ImageError::DigestMismatch {
                    what: "image config",
                    expected,
                    actual,
                });
            }
            build_image(files, catalog, parsed, tagged)
        });
        match image {
            Ok(image) if row.kept => drop(catalog.kept.insert(row.id, Arc::new(image))),
            Ok(image) => drop(catalog.images.insert(row.id, Arc::new(image))),
            Err(error) => {
                tracing::warn!(image = %row.id, %error, "an image is damaged and was removed: pull it again");
                broken.push(row.id);
            }
        }
    }
    let mut named = HashSet::new();
    for (name, id) in database.names()? {
        if let Ok(reference) = Reference::parse(&name)
            && catalog.images.contains_key(&id)
        {
            catalog.names.insert(reference, id);
            named.insert(id);
        }
    }
    for id in named {
        catalog.refresh(id);
    }
    Ok(broken)
}

/// Whether the blob is at fault. A full disk, say, is no reason to forget an image for good.
fn is_damage(error: &ImageError) -> bool {
    match error {
        ImageError::Layer(LayerError::Entry { .. }) => false,
        ImageError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        error => !error.is_our_own(),
    }
}

/// Unpacks a layer again from its blob.
fn make_again(files: &Files, row: &LayerRow) -> Result<(), ImageError> {
    tracing::info!(layer = %row.diff_id, "unpacking a layer again");
    let place = files.layer(row.n);
    // First, since the disk may have room for it only once.
    remove_path(&place).at("remove", &place)?;
    let blob = files.blob(row.blob);
    let input = BufReader::with_capacity(256 << 10, fs::File::open(&blob).at("open", &blob)?);
    let scratch = files.scratch()?;
    let intake = Intake {
        blob: &scratch.blob(),
        folder: &scratch.folder(),
        expected: Expected {
            digest: Some(row.blob),
            size: Some(row.blob_size),
            diff_id: Some(row.diff_id),
        },
        wanted: Wanted::ALWAYS,
        done: &AtomicU64::new(0),
    };
    take_in(input, &intake)?;
    fs::rename(scratch.folder(), &place).at("move to its place", &place)?;
    Ok(())
}

/// Files without a row.
fn remove_strangers(files: &Files, catalog: &Catalog) -> Result<(), ImageError> {
    let mut known: HashMap<&Path, HashSet<String>> = HashMap::new();
    let (layers, blobs) = (files.layers(), files.blobs());
    known.insert(
        &layers,
        catalog
            .layers
            .values()
            .map(|row| row.n.to_string())
            .collect(),
    );
    known.insert(
        &blobs,
        catalog
            .layers
            .values()
            .map(|row| Digest::hex(&row.blob))
            .collect(),
    );
    for (dir, names) in known {
        for entry in fs::read_dir(dir).at("read", dir)? {
            let entry = entry.at("read", dir)?;
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| names.contains(name))
            {
                files.discard(&entry.path())?;
            }
        }
    }
    Ok(())
}
