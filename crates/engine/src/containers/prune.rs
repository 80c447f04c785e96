//! `docker container prune`.

use std::collections::HashMap;
use std::sync::Arc;

use gantry_api::Filters;
use time::OffsetDateTime;

use super::{Phase, dirs, moment, remove};
use crate::error::{Error, Result};
use crate::events::Subject;
use crate::state::Engine;

/// The filters that are understood.
pub const FILTERS: &[&str] = &["until", "label", "label!"];

/// What went.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Ids.
    pub ids: Vec<String>,
    /// Bytes won.
    pub bytes: u64,
}

/// Removes all stopped containers that pass the filters.
pub async fn prune(engine: &Arc<Engine>, filters: &Filters) -> Result<Pruned> {
    let until = match filters.get("until") {
        [] => None,
        [text] => Some(moment::parse(text, OffsetDateTime::now_utc())?),
        _ => return Err(Error::invalid("more than one until filter specified")),
    };
    let mut pruned = Pruned::default();
    let none = HashMap::new();
    for container in engine.containers.all() {
        let record = container.record();
        let stopped = matches!(
            record.state.phase,
            Phase::Created | Phase::Exited | Phase::Dead
        );
        let old = until.is_none_or(|until| record.definition.created < until);
        if !stopped
            || !old
            || !filters.labels_match(record.definition.config.labels.as_ref().unwrap_or(&none))
        {
            continue;
        }
        let upper = dirs::of(&engine.config, record.id()).data.join("upper");
        let size = tokio::task::spawn_blocking(move || gantry_runtime::rootfs::size(&upper)).await;
        match remove::remove(engine, &container, remove::Remove::default()).await {
            Ok(()) => {
                pruned.bytes += size.ok().and_then(Result::ok).map_or(0, |size| size.bytes);
                pruned.ids.push(record.id().as_str().to_owned());
            }
            // Started or removed meanwhile: not ours to prune.
            Err(error) => tracing::debug!(container.id = %record.id(), %error, "not pruned"),
        }
    }
    engine
        .events
        .publish_prune(Subject::Container, pruned.bytes);
    Ok(pruned)
}
