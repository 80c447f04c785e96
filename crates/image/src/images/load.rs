//! From an archive.

use std::collections::HashSet;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::{Images, blocking};
use crate::archive::{self, Loadable};
use crate::layer::{Feed, Source, feed};
use crate::store::{Change, NewImage, Pin};
use crate::{Digest, ImageAction, ImageError, ImageEvent, Loaded, Progress};

/// Bytes read at a time.
const CHUNK: usize = 128 << 10;

impl Images {
    /// Takes in an archive of `docker save` or an OCI layout, plain, gzip or zstd: all of its images, or none.
    /// Dropping the future cancels and leaves nothing.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Vec<Loaded>, ImageError> {
        // What is known is not unpacked, so it must not go while the archive is read.
        let (known, _pins) = self.known();
        let (teller, mut told) = mpsc::unbounded_channel();
        let files = self.inner.files.clone();
        let reading = self.read_blocking(archive, move |source| {
            let wanted = source.wanted();
            archive::read(source, &wanted, &files, &known, |line| {
                // Told only while someone listens.
                let _ = teller.send(line);
            })
        });
        let telling = async {
            while let Some(line) = told.recv().await {
                progress(line);
            }
        };
        let (found, ()) = tokio::join!(reading, telling);
        self.add_loaded(found?).await
    }

    /// The digests of all layers, compressed or not; the pins keep them.
    fn known(&self) -> (HashSet<Digest>, Vec<Pin>) {
        let keep = &self.inner.keep;
        let mut state = keep.lock();
        let rows = state.catalog.layers.values();
        let (known, diff_ids): (HashSet<_>, Vec<_>) = (
            rows.clone()
                .flat_map(|row| [row.diff_id, row.blob])
                .collect(),
            rows.map(|row| row.diff_id).collect(),
        );
        let pins = diff_ids
            .into_iter()
            .map(|diff_id| keep.pin(&mut state, diff_id))
            .collect();
        (known, pins)
    }

    /// Feeds a stream to blocking work. What the work doesn't read is left; its error wins over the stream's.
    pub(super) async fn read_blocking<T: Send + 'static>(
        &self,
        stream: impl AsyncRead + Send,
        work: impl FnOnce(Source) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let (sender, source) = feed();
        let working = blocking(move || work(source));
        let feeding = async move {
            let mut stream = std::pin::pin!(stream);
            loop {
                let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
                let len = stream.read_buf(&mut chunk).await;
                let piece = match len {
                    Ok(0) => Feed::End,
                    Ok(_) => Feed::Data(chunk.freeze()),
                    Err(source) => {
                        return Err(ImageError::Stream {
                            doing: "read the archive",
                            source,
                        });
                    }
                };
                let ended = matches!(piece, Feed::End);
                // A worker that is done listens no more.
                if sender.send(piece).await.is_err() || ended {
                    // Kept until the work is done: it says that we wait for it.
                    return Ok(sender);
                }
            }
        };
        let (worked, fed) = tokio::join!(working, feeding);
        match (worked, fed) {
            (Err(_), Err(stream)) => Err(stream),
            (worked, _) => worked,
        }
    }

    async fn add_loaded(&self, found: Vec<Loadable>) -> Result<Vec<Loaded>, ImageError> {
        let inner = &self.inner;
        for image in &found {
            let os = image.config.platform().os;
            if os != "linux" {
                let detail =
                    format!("image operating system {os:?} cannot be used on this platform");
                return Err(ImageError::Malformed {
                    what: "image config",
                    detail,
                });
            }
        }
        let turn = inner.turn().await;
        let pins: Vec<Pin> = {
            let mut state = inner.keep.lock();
            let layers = found.iter().flat_map(|image| &image.config.diff_ids);
            layers
                .map(|diff_id| inner.keep.pin(&mut state, *diff_id))
                .collect()
        };
        let mut change = Change::default();
        let (mut loaded, mut events) = (Vec::new(), Vec::new());
        for Loadable {
            config,
            fresh,
            tags,
        } in found
        {
            let id = config.id;
            events.push(ImageEvent {
                action: ImageAction::Load,
                actor: id.to_string(),
                name: id.to_string(),
                labels: crate::store::labels(&config.config),
            });
            change
                .set_names
                .extend(tags.iter().map(|tag| (tag.clone(), id)));
            change.add.push(NewImage { config, fresh });
            loaded.push(Loaded {
                id,
                references: tags,
            });
        }
        inner.apply(turn, change, events, pins).await?;
        Ok(loaded)
    }
}
