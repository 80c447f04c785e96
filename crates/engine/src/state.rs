//! The engine: everything that handlers share.

use std::sync::Arc;

use gantry_image::Images;

use crate::config::Config;
use crate::containers::Containers;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::images;
use crate::store::Store;
use crate::store::reserve::Reserve;
use crate::volumes::Volumes;

/// One engine on one data root. Handlers hold it in an [`Arc`].
pub struct Engine {
    /// What it was told at start.
    pub config: Config,
    /// `<data-root>/gantry.db`.
    pub store: Store,
    /// All containers.
    pub containers: Containers,
    /// What happened, to whoever listens.
    pub events: Arc<Events>,
    /// All images.
    pub images: Images,
    /// All volumes.
    pub volumes: Arc<Volumes>,
    /// Disk held back for hard times.
    pub reserve: Reserve,
}

impl Engine {
    /// Opens the data root and takes up what an earlier engine left.
    pub async fn open(config: Config) -> Result<Arc<Engine>> {
        let reserve = Reserve::open(&config.data_root).map_err(Error::io(format!(
            "can't hold back disk space in {}",
            config.data_root.display()
        )))?;
        let store = Store::open(&config.data_root.join("gantry.db"))?;
        let containers = Containers::default();
        let events = Arc::new(Events::default());
        let images = images::open(&config, Arc::clone(&events)).await?;
        let volumes = {
            let (root, scratch) = (
                config.data_root.join("volumes"),
                config.exec_root.join("view"),
            );
            let (store, events) = (store.clone(), Arc::clone(&events));
            off_reactor(move || Volumes::open(&root, &scratch, store, events)).await??
        };
        Ok(Arc::new(Engine {
            config,
            store,
            containers,
            events,
            images,
            volumes,
            reserve,
        }))
    }
}

/// Runs `work`, which blocks, on a thread for such.
pub async fn off_reactor<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|failure| Error::Internal(format!("a task of the engine failed: {failure}")))
}
