//! The table of volumes.

use rusqlite::{Row, params};
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

    /// Adds a volume. Blocks.
    pub fn insert_volume(&self, volume: &Volume) -> Result<(), StoreError> {
        let created = volume.created.format(&Rfc3339).unwrap_or_default();
        let labels = serde_json::to_string(&volume.labels)?;
        let options = serde_json::to_string(&volume.options)?;
        self.write_now(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO volumes (name, created, anonymous, labels, options) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![volume.name.as_str(), created, volume.anonymous, labels, options])?;
            Ok(())
        })
    }

    /// Forgets a volume. Blocks.
    pub fn delete_volume(&self, name: &VolumeName) -> Result<(), StoreError> {
        self.write_now(|transaction| {
            transaction
                .prepare_cached("DELETE FROM volumes WHERE name = ?1")?
                .execute(params![name.as_str()])?;
            Ok(())
        })
    }
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
