//! `images.db`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::catalog::LayerRow;
use crate::{Digest, ImageError, ImageId};

/// Version of the tables, in `user_version`.
const VERSION: i64 = 1;

/// `kept`: 1 for an image that was deleted while a stopped container still has its root on it.
/// `unsettled`: the boot in which the layer was written, until it is known to be on the disk.
/// `n` is never used again, so that a folder's name means one layer for ever.
const TABLES: &str = "
CREATE TABLE images (
    id TEXT PRIMARY KEY,
    config BLOB NOT NULL,
    tagged INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE names (
    reference TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) STRICT;
CREATE TABLE layers (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    diff_id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    blob TEXT NOT NULL,
    blob_size INTEGER NOT NULL,
    unsettled TEXT
) STRICT;
";

/// The database; cheap to clone. All calls block.
#[derive(Clone)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

/// A row of `images`.
pub(crate) struct ImageRow {
    pub(crate) id: ImageId,
    pub(crate) config: Vec<u8>,
    /// Unix nanoseconds.
    pub(crate) tagged: i64,
    pub(crate) kept: bool,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Database, ImageError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()?;
            }
            VERSION => {}
            _ => {
                return Err(ImageError::NewerDatabase {
                    found,
                    known: VERSION,
                });
            }
        }
        Ok(Database(Arc::new(Mutex::new(connection))))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in between rolled its transaction back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in a transaction, committed if it succeeds.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    pub(crate) fn layers(&self) -> Result<Vec<LayerRow>, ImageError> {
        let connection = self.lock();
        let mut query = connection
            .prepare("SELECT n, diff_id, size, blob, blob_size, unsettled FROM layers")?;
        let rows = query.query_map([], |row| {
            Ok(LayerRow {
                n: row.get(0)?,
                diff_id: digest(row, 1)?,
                size: row.get(2)?,
                blob: digest(row, 3)?,
                blob_size: row.get(4)?,
                unsettled: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn images(&self) -> Result<Vec<ImageRow>, ImageError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT id, config, tagged, kept FROM images")?;
        let rows = query.query_map([], |row| {
            Ok(ImageRow {
                id: ImageId::new(digest(row, 0)?),
                config: row.get(1)?,
                tagged: row.get(2)?,
                kept: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn names(&self) -> Result<Vec<(String, ImageId)>, ImageError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT reference, image FROM names")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, ImageId::new(digest(row, 1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Says that these layers are on the disk now.
    pub(crate) fn settle(&self, layers: &[i64]) -> Result<(), ImageError> {
        self.change(|transaction| {
            for n in layers {
                transaction.execute(
                    "UPDATE layers SET unsettled = NULL WHERE n = ?1",
                    params![n],
                )?;
            }
            Ok(())
        })
    }
}

fn digest(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}
