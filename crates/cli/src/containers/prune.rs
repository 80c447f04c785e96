//! `container prune`.

use bollard::query_parameters::PruneContainersOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::flags::filter::{Filters, LongFilterFlag, for_bollard};
use crate::output;

/// Remove all stopped containers
#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    force: ForceFlag,
    #[command(flatten)]
    filter: LongFilterFlag,
}

impl Prune {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let filters = self.filter.filters();
        if self
            .force
            .confirm("This will remove all stopped containers.")?
        {
            let freed = prune(app, filters).await?;
            output::reclaimed(freed)?;
        }
        Ok(())
    }
}

/// Removes the stopped containers that `filters` let through, prints which, and returns the bytes freed.
pub async fn prune(app: &App, filters: Filters) -> Result<i64> {
    let options = PruneContainersOptionsBuilder::new()
        .filters(&for_bollard(filters))
        .build();
    let report = app
        .daemon()?
        .docker()
        .prune_containers(Some(options))
        .await?;
    let deleted = report.containers_deleted.unwrap_or_default();
    if !deleted.is_empty() {
        output::print(&format!("Deleted Containers:\n{}\n\n", deleted.join("\n")))?;
    }
    Ok(report.space_reclaimed.unwrap_or(0))
}
