//! `docker logs`.

use std::sync::Arc;

use gantry_runtime::log::{self, Driver, Entries, Query};

use super::{Container, Record, dirs};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Opens a container's log. While following, it ends with the container's run.
pub async fn open(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    query: Query,
) -> Result<Entries> {
    let record = container.record();
    let config = record
        .definition
        .host
        .log_config
        .clone()
        .unwrap_or_default();
    let driver = log::Config::parse(
        config.typ.as_deref().unwrap_or_default(),
        &config.config.unwrap_or_default(),
    )
    .map_err(|error| Error::invalid(error.to_string()))?;
    if driver.driver == Driver::None {
        return Err(Error::unsupported(
            "configured logging driver does not support reading",
        ));
    }
    if !query.stdout && !query.stderr {
        return Err(Error::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let folder = dirs::log(&dirs::of(&engine.config, record.id()));
    let mut changes = container.watch();
    let ended = async move {
        let is_over = |record: &Record| {
            record.removed
                || !(record.state.phase.is_alive()
                    || record.state.phase == super::Phase::Restarting)
        };
        // The container's end is noted after its exit is on disk, which is after its log's last line.
        let _ = changes.wait_for(is_over).await;
    };
    Ok(log::read(&folder, query, ended).await?)
}
