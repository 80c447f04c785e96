//! The engine: everything that handlers share.

use std::sync::Arc;

use crate::config::Config;
use crate::containers::Containers;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::store::Store;
use crate::store::reserve::Reserve;

/// One engine on one data root. Handlers hold it in an [`Arc`].
#[derive(Debug)]
pub struct Engine {
    /// What it was told at start.
    pub config: Config,
    /// `<data-root>/gantry.db`.
    pub store: Store,
    /// All containers.
    pub containers: Containers,
    /// What happened, to whoever listens.
    pub events: Events,
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
        Ok(Arc::new(Engine {
            config,
            store,
            containers,
            events: Events::default(),
            reserve,
        }))
    }
}
