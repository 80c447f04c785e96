//! Whether a machine is used: only then may it stand still.

use std::time::Duration;

use super::engine;
use super::shared::Shared;

/// Whether the machine may pause: nobody has used it for so long, nobody is connected, it listens nowhere, and no
/// container runs. An engine that can't be asked is in use.
pub async fn is_idle(shared: &Shared, minutes: u32) -> bool {
    if shared.unused_for() < Duration::from_secs(u64::from(minutes) * 60)
        || shared.api_connections() > 0
        || !shared.ports().is_empty()
    {
        return false;
    }
    let Some(tunnel) = shared.tunnel() else {
        return false;
    };
    match engine::has_running(&tunnel).await {
        Ok(running) => !running,
        Err(why) => {
            tracing::debug!(why, "whether containers run is not known");
            false
        }
    }
}
