//! `docker ps`.

mod filter;
mod summary;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use gantry_api::models::ContainerSummary;
use time::OffsetDateTime;

pub use filter::{FILTERS, Filter};
pub use summary::port_map;
pub use words::status;

use super::{Record, dirs};
use crate::error::Result;
use crate::state::{Engine, off_reactor};

/// What to list.
#[derive(Debug, Default)]
pub struct List {
    /// Those that don't run too.
    pub all: bool,
    /// The newest so many, running or not.
    pub limit: Option<usize>,
    /// With the sizes of their file systems.
    pub size: bool,
    /// Only those.
    pub filter: Filter,
}

/// Lists containers, newest first.
pub async fn list(engine: &Arc<Engine>, command: List) -> Result<Vec<ContainerSummary>> {
    let mut records: Vec<Record> = engine
        .containers
        .all()
        .iter()
        .map(|container| container.record())
        .collect();
    records.retain(|record| !record.removed);
    records.sort_by_key(|record| std::cmp::Reverse(record.definition.created));
    let everything = command.all || command.limit.is_some() || command.filter.names_a_state();
    let filter = command.filter.resolve(engine).await?;
    records.retain(|record| {
        (everything
            || record.state.phase.is_alive()
            || record.state.phase == super::Phase::Restarting)
            && filter.passes(record)
    });
    if let Some(limit) = command.limit {
        records.truncate(limit);
    }
    let names = image_names(engine, &records).await;
    let now = OffsetDateTime::now_utc();
    let mut summaries = Vec::with_capacity(records.len());
    for record in &records {
        let asked = record
            .definition
            .config
            .image
            .as_deref()
            .unwrap_or_default();
        let image = if names.get(asked) == Some(&record.definition.image_id) {
            asked
        } else {
            &record.definition.image_id
        };
        let mut summary = summary::of(engine, record, image, now);
        if command.size {
            let (own, all) = sizes(engine, record).await?;
            summary.size_rw = Some(own);
            summary.size_root_fs = Some(all);
        }
        summaries.push(summary);
    }
    Ok(summaries)
}

/// Which image each name means today: one that was moved to another image is no longer a container's image's name.
async fn image_names(engine: &Engine, records: &[Record]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for record in records {
        let asked = record.definition.config.image.clone().unwrap_or_default();
        if names.contains_key(&asked) {
            continue;
        }
        let id = engine
            .images
            .get(&asked)
            .await
            .map(|image| image.id.to_string())
            .unwrap_or_default();
        names.insert(asked, id);
    }
    names
}

/// Bytes of a container's own layer, and with its image's.
pub async fn sizes(engine: &Engine, record: &Record) -> Result<(i64, i64)> {
    let upper = dirs::of(&engine.config, record.id()).data.join("upper");
    let own = off_reactor(move || gantry_runtime::rootfs::size(&upper)).await?;
    let own = own.map_or(0, |size| size.bytes);
    let image = engine
        .images
        .get(&record.definition.image_id)
        .await
        .map_or(0, |image| image.size);
    let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Ok((number(own), number(own.saturating_add(image))))
}
