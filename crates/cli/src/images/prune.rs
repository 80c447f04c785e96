//! `image prune`.

use bollard::query_parameters::PruneImagesOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::flags::filter::{Filters, LongFilterFlag, for_bollard};
use crate::output;

/// Remove unused images
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    force: ForceFlag,
    #[command(flatten)]
    filter: LongFilterFlag,
}

impl Prune {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let filters = self.filter.filters();
        let warning = if self.all {
            "This will remove all images without at least one container associated to them."
        } else {
            "This will remove all dangling images."
        };
        if self.force.confirm(warning)? {
            let freed = prune(app, self.all, filters).await?;
            output::reclaimed(freed)?;
        }
        Ok(())
    }
}

/// Removes the unused images that `filters` let through, prints which, and returns the bytes freed.
pub async fn prune(app: &App, all: bool, mut filters: Filters) -> Result<i64> {
    filters
        .entry("dangling".to_owned())
        .or_default()
        .push((!all).to_string());
    let options = PruneImagesOptionsBuilder::new()
        .filters(&for_bollard(filters))
        .build();
    let report = app.daemon()?.docker().prune_images(Some(options)).await?;
    let lines: String = report
        .images_deleted
        .unwrap_or_default()
        .into_iter()
        .filter_map(|item| {
            let untagged = item.untagged.map(|name| format!("untagged: {name}\n"));
            untagged.or(item.deleted.map(|id| format!("deleted: {id}\n")))
        })
        .collect();
    if !lines.is_empty() {
        output::print(&format!("Deleted Images:\n{lines}\n"))?;
    }
    Ok(report.space_reclaimed.unwrap_or(0))
}
