//! `<data-root>/gantry.db`: the state a client was told of. A file a table; each call is one transaction.
//!
//! Journal: WAL with `synchronous=FULL`, so a commit survives a power cut and costs one fsync. The engine keeps all
//! records in memory and only writes here; it reads once, at start.

pub mod containers;
mod migrations;
pub mod reserve;
pub mod volumes;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use self::reserve::Reserve;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Why the store can't do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says no.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A record can't be written or read as JSON.
    #[error("database record: {0}")]
    Record(#[from] serde_json::Error),
    /// A newer engine wrote this database.
    #[error(
        "the database has version {found}, but this engine knows versions up to {known}: use the newer engine"
    )]
    Newer {
        /// The database's version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The task that held the connection died.
    #[error("database task ended early")]
    Cancelled,
}

impl StoreError {
    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}

/// A handle on the database; clones share one connection.
#[derive(Debug, Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    reserve: Option<Reserve>,
}

impl Store {
    /// Opens or makes the database and brings it to this engine's version.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // Few rows, all in memory anyway: a small page cache keeps the idle engine small.
        connection.pragma_update(None, "cache_size", -256)?;
        migrations::run(&mut connection)?;
        Ok(Store {
            connection: Arc::new(Mutex::new(connection)),
            reserve: None,
        })
    }

    /// The same, with disk held back for when it is full.
    #[must_use]
    pub fn with_reserve(self, reserve: Reserve) -> Store {
        Store {
            reserve: Some(reserve),
            ..self
        }
    }

    /// Runs `work` in one transaction off the reactor; commits when it returns `Ok`.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.write_now(work))
            .await
            .map_err(|_| StoreError::Cancelled)?
    }

    /// [`Store::write`] for callers that may block. On a full disk the reserve is given up and `work` done again.
    pub fn write_now<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match (self.attempt(&work), &self.reserve) {
            (Err(error), Some(reserve)) if error.is_disk_full() => {
                tracing::warn!("the disk is full: giving up what was held back of it");
                if let Err(error) = reserve.release() {
                    tracing::warn!(%error, "can't give up what was held back of the disk");
                }
                self.attempt(&work)
            }
            (result, _) => result,
        }
    }

    fn attempt<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}
