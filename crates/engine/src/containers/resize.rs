//! `docker resize`: the size of a container's terminal.

use std::sync::Arc;

use gantry_runtime::ShimClient;
use gantry_runtime::spec::ConsoleSize;

use super::{Container, dirs};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Sets the size.
pub async fn resize(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    size: ConsoleSize,
) -> Result<()> {
    let record = container.record();
    if !record.state.phase.is_alive() {
        return Err(Error::conflict(format!(
            "container {} is not running",
            record.id()
        )));
    }
    Ok(ShimClient::new(dirs::of(&engine.config, record.id()))
        .resize(size)
        .await?)
}
