//! The handle on the store: one file a verb.

mod history;
mod import;
mod load;
mod login;
mod prune;
mod pull;
mod remove;
mod save;
mod tag;
mod usage;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, broadcast};

use crate::error::IoContext;
use crate::flight::Flights;
use crate::registry::Registries;
use crate::store::{self, Change, Database, Files, ImageHold, Keep};
use crate::{Image, ImageAction, ImageError, ImageEvent, ImageId, Options};

/// Events that a slow listener may lag behind.
const EVENTS: usize = 1024;

/// All images of one engine; cheap to clone.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    files: Files,
    database: Database,
    keep: Keep,
    /// Whoever changes the store has it.
    turn: Arc<Mutex<()>>,
    events: broadcast::Sender<ImageEvent>,
    /// Tells this boot from others: what the page cache held is gone after the next.
    boot: String,
    registries: Registries,
    flights: Flights,
    /// Locked while the store is open.
    _lock: File,
}

/// Keeps an image from being removed while it lives: taken between looking an image up and recording its use.
#[must_use]
pub struct Hold {
    /// The image held.
    pub image: Arc<Image>,
    _hold: ImageHold,
}

impl Images {
    /// Opens the store in `root`, making it if needed. Repairs what a crash left and empties `tmp/`.
    pub async fn open(root: &Path, options: Options) -> Result<Images, ImageError> {
        let root = root.to_owned();
        blocking(move || {
            std::fs::create_dir_all(&root).at("create", &root)?;
            let lock = lock(&root)?;
            let boot = boot_id()?;
            let (files, database, catalog) = store::open(&root, &boot)?;
            let unsettled = catalog
                .layers
                .values()
                .filter(|row| row.unsettled.is_some())
                .map(|row| row.n)
                .collect();
            let inner = Inner {
                keep: Keep::new(catalog),
                turn: Arc::default(),
                events: broadcast::Sender::new(EVENTS),
                boot,
                registries: Registries::new(&options)?,
                flights: Flights::new(&options),
                files,
                database,
                _lock: lock,
            };
            inner.settle(unsettled);
            Ok(Images {
                inner: Arc::new(inner),
            })
        })
        .await
    }

    /// All images, newest first.
    pub async fn list(&self) -> Result<Vec<Arc<Image>>, ImageError> {
        let mut all: Vec<_> = self
            .inner
            .keep
            .lock()
            .catalog
            .images
            .values()
            .cloned()
            .collect();
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    /// One image by reference, id or unique prefix of an id, in Docker's order.
    pub async fn get(&self, name: &str) -> Result<Arc<Image>, ImageError> {
        self.inner.keep.lock().catalog.find(name)
    }

    /// The image of an existing container. It is there even if it was deleted by force since the container was made.
    pub async fn of_container(&self, id: &ImageId) -> Result<Arc<Image>, ImageError> {
        let state = self.inner.keep.lock();
        let found = state
            .catalog
            .images
            .get(id)
            .or_else(|| state.catalog.kept.get(id));
        found
            .cloned()
            .ok_or_else(|| ImageError::NotFound(id.to_string()))
    }

    /// Like [`Images::get`], and [`Images::remove`] waits while the hold lives. Keep it short.
    pub async fn hold(&self, name: &str) -> Result<Hold, ImageError> {
        let keep = &self.inner.keep;
        keep.until(|state| match state.catalog.find(name) {
            Ok(image) if state.is_leaving(image.id) => None,
            Ok(image) => Some(Ok(Hold {
                _hold: keep.hold(state, image.id),
                image,
            })),
            Err(error) => Some(Err(error)),
        })
        .await
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<ImageEvent> {
        self.inner.events.subscribe()
    }
}

impl Inner {
    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Makes a change and tells of it. Once begun it is finished even if the caller goes away; `guards` live until
    /// then. Returns the layers that went.
    async fn apply(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        change: Change,
        events: Vec<ImageEvent>,
        guards: impl Send + 'static,
    ) -> Result<Vec<store::LayerRow>, ImageError> {
        let inner = Arc::clone(self);
        blocking(move || {
            let changed = change.apply(&inner.files, &inner.database, &inner.keep, &inner.boot)?;
            for event in events {
                // Nobody may be listening.
                let _ = inner.events.send(event);
            }
            inner.settle(changed.layers_new);
            drop((guards, turn));
            Ok(changed.layers_gone)
        })
        .await
    }

    /// Writes new layers to the disk in the background: one `syncfs` for all their files. Until then the database
    /// says in which boot they were written, and another boot checks them.
    fn settle(&self, layers: Vec<i64>) {
        if layers.is_empty() {
            return;
        }
        let (files, database) = (self.files.clone(), self.database.clone());
        tokio::task::spawn_blocking(move || {
            let settled = File::open(files.root())
                .and_then(|root| Ok(rustix::fs::syncfs(&root)?))
                .at("sync", files.root())
                .and_then(|()| database.settle(&layers));
            if let Err(error) = settled {
                tracing::warn!(%error, "layers not known to be on the disk");
            }
        });
    }

    fn event(action: ImageAction, image: &Image, name: String) -> ImageEvent {
        ImageEvent {
            action,
            actor: image.id.to_string(),
            name,
            labels: store::labels(&image.config),
        }
    }
}

fn lock(root: &Path) -> Result<File, ImageError> {
    let path = root.join("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .at("open", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ImageError::StoreInUse {
            path: root.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(error).at("lock", path),
    }
}

fn boot_id() -> Result<String, ImageError> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path)
        .at("read", path)?
        .trim()
        .to_owned())
}

/// Runs blocking work off the reactor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ImageError::Interrupted)?
}
