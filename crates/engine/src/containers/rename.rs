//! `docker rename`.

use std::sync::Arc;

use super::{Container, Record, names, notes};
use crate::error::{Error, Result};
use crate::state::Engine;
use crate::store;

/// Gives a container another name.
pub async fn rename(engine: &Arc<Engine>, container: &Arc<Container>, name: &str) -> Result<()> {
    if name.is_empty() || name == "/" {
        return Err(Error::invalid("Neither old nor new names may be empty"));
    }
    let name = names::parse(name)?;
    let turn = container.turn().await;
    let record = container.record();
    let old = record.name().to_owned();
    if record.removed {
        return Err(Error::not_found(format!("No such container: {old}")));
    }
    if name == old {
        return Err(Error::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    engine.containers.take_name(&name, record.id())?;
    let mut definition = (*record.definition).clone();
    definition.name.clone_from(&name);
    let definition = Arc::new(definition);
    let row = Arc::clone(&definition);
    if let Err(error) = engine
        .store
        .write(move |transaction| store::containers::set_definition(transaction, &row))
        .await
    {
        engine.containers.free_name(&name, record.id());
        return Err(error.into());
    }
    let record = Record {
        definition,
        ..record
    };
    container.set(&turn, record.clone());
    engine.containers.free_name(&old, record.id());
    notes::publish(engine, &record, "rename", &[("oldName", format!("/{old}"))]);
    Ok(())
}
