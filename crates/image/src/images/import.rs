//! From a file system's tar.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Map, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::AsyncRead;

use super::Images;
use crate::archive::apply_changes;
use crate::layer::{Expected, Intake, take_in};
use crate::store::{Change, Fresh, NewImage, ParsedConfig};
use crate::{ImageAction, ImageError, ImageEvent, ImageId, Platform, Reference};

impl Images {
    /// The tar that a web server has at `url`, for [`Images::import`].
    ///
    /// # Errors
    /// Where it is no address of the web, or the server doesn't give the file.
    pub async fn fetch(&self, url: &str) -> Result<impl AsyncRead + Send + use<>, ImageError> {
        self.inner.registries.download(url).await
    }

    /// Makes an image of one layer from a file system's tar, plain, gzip or zstd. `changes` are Dockerfile lines
    /// (`CMD …`, `ENV …`); they are checked before anything is read.
    pub async fn import(
        &self,
        tar: impl AsyncRead + Send,
        reference: Option<Reference>,
        platform: Option<Platform>,
        message: &str,
        changes: &[String],
    ) -> Result<ImageId, ImageError> {
        if reference
            .as_ref()
            .is_some_and(|reference| reference.digest().is_some())
        {
            return Err(ImageError::InvalidInput(
                "cannot import digest reference".to_owned(),
            ));
        }
        let mut run = Map::new();
        apply_changes(&mut run, changes)?;
        let files = self.inner.files.clone();
        let fresh = self
            .read_blocking(tar, move |source| {
                let scratch = files.scratch()?;
                let (blob, folder) = (scratch.blob(), scratch.folder());
                let intake = Intake {
                    blob: &blob,
                    folder: &folder,
                    expected: Expected::default(),
                    wanted: source.wanted(),
                    done: &AtomicU64::new(0),
                };
                let taken = take_in(source, &intake)?;
                Ok(Fresh::new(taken, scratch))
            })
            .await?;
        let now = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default();
        let platform = platform.unwrap_or_else(Platform::host);
        let mut config = json!({
            "created": now,
            "architecture": platform.architecture,
            "os": platform.os,
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": [fresh.taken.diff_id.to_string()] },
            "history": [{ "created": now, "comment": message }],
        });
        if let Some(variant) = platform.variant {
            config["variant"] = variant.into();
        }
        let config = ParsedConfig::parse(config.to_string().into_bytes())?;
        let id = config.id;
        let event = ImageEvent {
            action: ImageAction::Import,
            actor: id.to_string(),
            name: reference
                .as_ref()
                .map_or_else(|| id.to_string(), Reference::familiar),
            labels: crate::store::labels(&config.config),
        };
        let inner = &self.inner;
        let turn = inner.turn().await;
        let pin = inner.keep.pin(&mut inner.keep.lock(), fresh.taken.diff_id);
        let change = Change {
            add: vec![NewImage {
                config,
                fresh: vec![Arc::new(fresh)],
            }],
            set_names: reference
                .into_iter()
                .map(|reference| (reference, id))
                .collect(),
            ..Change::default()
        };
        inner.apply(turn, change, vec![event], pin).await?;
        Ok(id)
    }
}
