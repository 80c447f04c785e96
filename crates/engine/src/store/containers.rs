//! The table of containers.

use rusqlite::{Transaction, params};

use super::{Store, StoreError};
use crate::containers::{ContainerId, Definition, RunState};

/// Adds a new container.
pub fn insert(
    transaction: &Transaction<'_>,
    definition: &Definition,
    state: &RunState,
) -> Result<(), StoreError> {
    transaction.prepare_cached("INSERT INTO containers (id, name, phase, definition, state) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
        params![
            definition.id.as_str(),
            definition.name,
            state.phase.as_str(),
            serde_json::to_string(definition)?,
            serde_json::to_string(state)?
        ],
    )?;
    Ok(())
}

/// Writes what became of a container.
pub fn set_state(
    transaction: &Transaction<'_>,
    id: &ContainerId,
    state: &RunState,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE containers SET phase = ?2, state = ?3 WHERE id = ?1")?
        .execute(params![
            id.as_str(),
            state.phase.as_str(),
            serde_json::to_string(state)?
        ])?;
    Ok(())
}

/// Writes a changed definition (rename, update).
pub fn set_definition(
    transaction: &Transaction<'_>,
    definition: &Definition,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE containers SET name = ?2, definition = ?3 WHERE id = ?1")?
        .execute(params![
            definition.id.as_str(),
            definition.name,
            serde_json::to_string(definition)?
        ])?;
    Ok(())
}

/// Forgets a container.
pub fn delete(transaction: &Transaction<'_>, id: &ContainerId) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM containers WHERE id = ?1")?
        .execute(params![id.as_str()])?;
    Ok(())
}

impl Store {
    /// All containers, for the start of the engine.
    pub fn containers(&self) -> Result<Vec<(Definition, RunState)>, StoreError> {
        self.write_now(|transaction| {
            let mut statement = transaction.prepare("SELECT definition, state FROM containers")?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let definition: String = row.get(0)?;
                let state: String = row.get(1)?;
                found.push((
                    serde_json::from_str(&definition)?,
                    serde_json::from_str(&state)?,
                ));
            }
            Ok(found)
        })
    }
}
