//! The table of volumes.

use rusqlite::{Row, Transaction, params};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Store, StoreError};
use crate::volumes::{Volume, VolumeName};

impl Store {
    /// All volumes, for the start of the engine. Rows whose name isn't one (the database was edited) are passed over.
    pub fn volumes(&self) -> Result<Vec<Volume>, StoreError> {
        self.write_now(|transaction| {
            let mut statement = transaction
                .prepare("SELECT name, created, anonymous, labels, options FROM volumes")?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                match name.parse() {
                    Ok(name) => found.push(volume(name, row)?),
                    Err(error) => {
                        tracing::warn!(%error, "a row of the table of volumes is unusable")
                    }
                }
            }
            Ok(found)
        })
    }

    /// Names of removed volumes whose folders may still be there. Those that were made anew since are none of them.
    pub fn leaving_volumes(&self) -> Result<Vec<String>, StoreError> {
        self.write_now(|transaction| {
            let mut statement = transaction.prepare("SELECT name FROM volumes_leaving")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    /// No removed volume's folder is there any more. Blocks.
    pub fn forget_leaving_volumes(&self) -> Result<(), StoreError> {
        self.write_now(|transaction| {
            transaction.execute("DELETE FROM volumes_leaving", [])?;
            Ok(())
        })
    }
}

/// Adds a volume.
pub fn insert(transaction: &Transaction<'_>, volume: &Volume) -> Result<(), StoreError> {
    let created = volume.created.format(&Rfc3339).unwrap_or_default();
    let labels = serde_json::to_string(&volume.labels)?;
    let options = serde_json::to_string(&volume.options)?;
    let name = volume.name.as_str();
    transaction
        .prepare_cached("DELETE FROM volumes_leaving WHERE name = ?1")?
        .execute(params![name])?;
    transaction
        .prepare_cached(
            "INSERT INTO volumes (name, created, anonymous, labels, options) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![name, created, volume.anonymous, labels, options])?;
    Ok(())
}

/// Forgets a volume, but for the name of the folder that is left to remove.
pub fn delete(transaction: &Transaction<'_>, name: &VolumeName) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM volumes WHERE name = ?1")?
        .execute(params![name.as_str()])?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO volumes_leaving (name) VALUES (?1)")?
        .execute(params![name.as_str()])?;
    Ok(())
}

fn volume(name: VolumeName, row: &Row<'_>) -> Result<Volume, StoreError> {
    let created: String = row.get(1)?;
    let labels: String = row.get(3)?;
    let options: String = row.get(4)?;
    Ok(Volume {
        name,
        created: OffsetDateTime::parse(&created, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        anonymous: row.get(2)?,
        labels: serde_json::from_str(&labels)?,
        options: serde_json::from_str(&options)?,
    })
}
