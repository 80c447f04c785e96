//! The schema, one step a version; `user_version` says how many are done.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Never change a step that was released: add one.
const STEPS: &[&str] = &[
    "CREATE TABLE containers (
        id         TEXT PRIMARY KEY,
        name       TEXT NOT NULL UNIQUE,
        phase      TEXT NOT NULL,           -- created, running, paused, restarting, exited, removing, dead
        definition TEXT NOT NULL,           -- JSON: what was asked for; changes by rename and update only
        state      TEXT NOT NULL            -- JSON: what became of it
    ) STRICT, WITHOUT ROWID;",
    "CREATE TABLE volumes (
        name       TEXT PRIMARY KEY,
        created    TEXT NOT NULL,           -- RFC 3339
        anonymous  INTEGER NOT NULL,
        labels     TEXT NOT NULL,           -- JSON object
        options    TEXT NOT NULL            -- JSON object
    ) STRICT, WITHOUT ROWID;",
    "CREATE TABLE volumes_leaving (          -- removed volumes whose folders may still be there
        name       TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;",
];

pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in &STEPS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_refused_and_ours_opens_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.db");
        for _ in 0..2 {
            run(&mut Connection::open(&path).unwrap()).unwrap();
        }
        let mut connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        assert!(matches!(
            run(&mut connection),
            Err(StoreError::Newer { found: 999, .. })
        ));
    }
}
