//! From a registry.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::Images;
use crate::flight::Stage;
use crate::registry::{Descriptor, Manifest, Repository, check_config_type, check_layer_type};
use crate::store::{self, Change, Fresh, MAX_CONFIG, NewImage, ParsedConfig, Pin};
use crate::{
    Auth, Digest, ImageAction, ImageError, ImageEvent, ImageId, Platform, Progress, Pulled,
    Reference,
};

/// What is pulled, and who is told.
struct Pull<'a, P> {
    images: &'a Images,
    reference: &'a Reference,
    platform: Option<Platform>,
    progress: P,
}

/// Config and layers of the one image that a manifest led to.
struct Found {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Images {
    /// Pulls from the reference's registry, mirrors first. Dropping the future cancels and leaves nothing.
    /// The host's platform is taken where none is said.
    pub async fn pull(
        &self,
        reference: &Reference,
        platform: Option<Platform>,
        auth: Option<Auth>,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Pulled, ImageError> {
        let registries = &self.inner.registries;
        let pull = Pull {
            images: self,
            reference,
            platform,
            progress,
        };
        let last = registries.count(reference) - 1;
        for turn in 0..last {
            let attempt = async {
                let endpoint = registries.endpoint(reference, turn, auth.as_ref()).await?;
                pull.from(Repository::new(endpoint, reference.clone()))
                    .await
            };
            match attempt.await {
                Err(error) if !error.is_our_own() => {
                    tracing::info!(%reference, %error, "mirror does not serve it, trying the next");
                }
                result => return result,
            }
        }
        let endpoint = registries.endpoint(reference, last, auth.as_ref()).await?;
        pull.from(Repository::new(endpoint, reference.clone()))
            .await
    }
}

impl<P: Fn(Progress) + Send + Sync> Pull<'_, P> {
    async fn from(&self, repository: Repository) -> Result<Pulled, ImageError> {
        let repository = Arc::new(repository);
        let (manifest, digest) = repository.manifest(self.reference).await?;
        let shown = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or_default().to_owned(),
        };
        (self.progress)(Progress::of(
            shown,
            format!("Pulling from {}", self.reference.path()),
        ));
        let found = self.resolve(&repository, &manifest).await?;
        let id = ImageId::new(found.config.digest);
        let known = self
            .images
            .inner
            .keep
            .lock()
            .catalog
            .images
            .get(&id)
            .cloned();
        // The name may go on to an image that is being removed: then its layers are fetched again.
        let pulled = match known {
            Some(image) => {
                self.check_platform(&image.platform())?;
                match self.name(id, digest).await? {
                    Some(pulled) => pulled,
                    None => self.fetch(&repository, &found, digest).await?,
                }
            }
            None => self.fetch(&repository, &found, digest).await?,
        };
        (self.progress)(Progress::line(format!("Digest: {digest}")));
        let news = if pulled.newer {
            "Downloaded newer image"
        } else {
            "Image is up to date"
        };
        (self.progress)(Progress::line(format!(
            "Status: {news} for {}",
            self.reference.familiar()
        )));
        Ok(pulled)
    }

    /// Down to one image.
    async fn resolve(&self, repository: &Repository, manifest: &[u8]) -> Result<Found, ImageError> {
        let schema1 = || ImageError::Schema1 {
            reference: self.reference.familiar(),
        };
        let (config, layers) = match Manifest::parse(manifest)? {
            Manifest::Image { config, layers } => (config, layers),
            Manifest::Schema1 => return Err(schema1()),
            Manifest::List(list) => {
                let wanted = self.platform.clone().unwrap_or_else(Platform::host);
                let chosen = list.select(&wanted)?;
                let (manifest, _) = repository
                    .manifest(&self.reference.with_digest(chosen.digest))
                    .await?;
                match Manifest::parse(&manifest)? {
                    Manifest::Image { config, layers } => (config, layers),
                    Manifest::Schema1 => return Err(schema1()),
                    Manifest::List(_) => {
                        let detail = "a list within a list".to_owned();
                        return Err(ImageError::Malformed {
                            what: "image manifest",
                            detail,
                        });
                    }
                }
            }
        };
        check_config_type(&config.media_type)?;
        for layer in &layers {
            check_layer_type(&layer.media_type)?;
        }
        Ok(Found { config, layers })
    }

    fn check_platform(&self, found: &Platform) -> Result<(), ImageError> {
        match &self.platform {
            Some(wanted) if !wanted.accepts(found) => Err(ImageError::WrongPlatform {
                reference: self.reference.familiar(),
                wanted: Box::new(wanted.clone()),
                found: Box::new(found.clone()),
            }),
            _ => Ok(()),
        }
    }

    /// Gives an image that is here its names. None if it went meanwhile.
    async fn name(&self, id: ImageId, digest: Digest) -> Result<Option<Pulled>, ImageError> {
        let inner = &self.images.inner;
        let turn = inner.turn().await;
        if !inner.keep.lock().catalog.images.contains_key(&id) {
            return Ok(None);
        }
        let (pulled, change, event) = self.commit(id, digest, None);
        inner.apply(turn, change, vec![event], ()).await?;
        Ok(Some(pulled))
    }

    fn commit(
        &self,
        id: ImageId,
        digest: Digest,
        add: Option<NewImage>,
    ) -> (Pulled, Change, ImageEvent) {
        let by_digest = self.reference.with_digest(digest);
        let name = if self.reference.digest().is_some() {
            &by_digest
        } else {
            self.reference
        };
        let state = self.images.inner.keep.lock();
        let newer = state.catalog.names.get(name) != Some(&id);
        let labels = match (&add, state.catalog.images.get(&id)) {
            (Some(new), _) => store::labels(&new.config.config),
            (None, Some(image)) => store::labels(&image.config),
            (None, None) => Default::default(),
        };
        let mut set_names = vec![(by_digest.clone(), id)];
        if name != &by_digest {
            set_names.push((name.clone(), id));
        }
        // What is as it was needs no change.
        set_names.retain(|(name, id)| state.catalog.names.get(name) != Some(id));
        let event = ImageEvent {
            action: ImageAction::Pull,
            actor: self.reference.familiar(),
            name: self.reference.familiar_name(),
            labels,
        };
        let pulled = Pulled {
            id,
            digest,
            reference: name.clone(),
            newer,
        };
        (
            pulled,
            Change {
                add: add.into_iter().collect(),
                set_names,
                ..Change::default()
            },
            event,
        )
    }

    async fn fetch(
        &self,
        repository: &Arc<Repository>,
        found: &Found,
        digest: Digest,
    ) -> Result<Pulled, ImageError> {
        let json = repository
            .small_blob(&found.config, "image config", MAX_CONFIG)
            .await?;
        let config = ParsedConfig::parse(json)?;
        if config.diff_ids.len() != found.layers.len() {
            let detail = format!(
                "{} layers, but the config has {}",
                found.layers.len(),
                config.diff_ids.len()
            );
            return Err(ImageError::Malformed {
                what: "image manifest",
                detail,
            });
        }
        let platform = config.platform();
        self.check_platform(&platform)?;
        if platform.os != "linux" {
            let detail = format!(
                "image operating system {:?} cannot be used on this platform",
                platform.os
            );
            return Err(ImageError::Malformed {
                what: "image config",
                detail,
            });
        }
        let (fresh, _pins) = self
            .fetch_layers(repository, &found.layers, &config.diff_ids)
            .await?;
        let inner = &self.images.inner;
        let turn = inner.turn().await;
        let (pulled, change, event) =
            self.commit(config.id, digest, Some(NewImage { config, fresh }));
        // The pins go with it: the layers must stay until the image is there, even if we are gone.
        inner.apply(turn, change, vec![event], _pins).await?;
        Ok(pulled)
    }

    /// All layers that are not here, a few at a time. The pins keep those that are.
    async fn fetch_layers(
        &self,
        repository: &Arc<Repository>,
        layers: &[Descriptor],
        diff_ids: &[Digest],
    ) -> Result<(Vec<Arc<Fresh>>, Vec<Pin>), ImageError> {
        let keep = &self.images.inner.keep;
        let mut pins = Vec::new();
        let mut missing: Vec<(&Descriptor, Digest)> = Vec::new();
        {
            let mut state = keep.lock();
            for (layer, diff_id) in layers.iter().zip(diff_ids) {
                pins.push(keep.pin(&mut state, *diff_id));
                if state.catalog.layers.contains_key(diff_id) {
                    (self.progress)(Progress::of(layer.digest.short(), "Already exists"));
                } else if !missing.iter().any(|(_, known)| known == diff_id) {
                    (self.progress)(Progress::of(layer.digest.short(), "Pulling fs layer"));
                    missing.push((layer, *diff_id));
                }
            }
        }
        let mut flights: FuturesUnordered<_> = missing
            .iter()
            .map(|(layer, diff_id)| self.fetch_layer(repository, layer, *diff_id))
            .collect();
        let mut fresh = Vec::new();
        while let Some(layer) = flights.next().await {
            fresh.push(layer?);
        }
        Ok((fresh, pins))
    }

    async fn fetch_layer(
        &self,
        repository: &Arc<Repository>,
        layer: &Descriptor,
        diff_id: Digest,
    ) -> Result<Arc<Fresh>, ImageError> {
        let inner = &self.images.inner;
        loop {
            let (flight, ours) = inner.flights.join(&inner.files, repository, layer, diff_id);
            let mut bar = Bar {
                id: layer.digest.short(),
                size: layer.size,
                last: None,
            };
            match flight.wait(|stage| bar.tell(stage, &self.progress)).await {
                // Someone else's failure, perhaps of their credentials or server: now by ourselves.
                Err(error) if !ours => {
                    tracing::debug!(layer = %layer.digest, %error, "another pull failed at it, trying it here");
                }
                result => return result,
            }
        }
    }
}

/// Stages in Docker's words, none left out.
struct Bar {
    id: String,
    size: u64,
    last: Option<Stage>,
}

impl Bar {
    fn tell(&mut self, stage: Stage, progress: &impl Fn(Progress)) {
        let line = |status: &str| progress(Progress::of(&self.id, status));
        let bar =
            |status: &str, current| progress(Progress::bar(&self.id, status, current, self.size));
        let before = self.last;
        let reached = |stage: Stage| before.is_none_or(|last| last < stage);
        match stage {
            Stage::Waiting => line("Waiting"),
            Stage::Retrying(1) => line("Retrying in 1 second"),
            Stage::Retrying(seconds) => line(&format!("Retrying in {seconds} seconds")),
            Stage::Downloading(current) => bar("Downloading", current),
            Stage::Downloaded | Stage::Extracting(_) | Stage::Done => {
                if reached(Stage::Downloaded) {
                    line("Verifying Checksum");
                    line("Download complete");
                }
                if let Stage::Extracting(current) = stage {
                    bar("Extracting", current);
                }
                if stage == Stage::Done {
                    bar("Extracting", self.size);
                    line("Pull complete");
                }
            }
        }
        self.last = Some(stage);
    }
}
