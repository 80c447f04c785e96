//! `volume prune`.

use bollard::query_parameters::PruneVolumesOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::flags::filter::{Filters, LongFilterFlag, for_bollard};
use crate::output;

/// Remove unused local volumes
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove all unused volumes, not just anonymous ones
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
        let mut filters = self.filter.filters();
        let warning = if self.all {
            filters
                .entry("all".to_owned())
                .or_default()
                .push("true".to_owned());
            "This will remove all local volumes not used by at least one container."
        } else {
            "This will remove anonymous local volumes not used by at least one container."
        };
        if self.force.confirm(warning)? {
            let freed = prune(app, filters).await?;
            output::reclaimed(freed)?;
        }
        Ok(())
    }
}

/// Removes the unused volumes that `filters` let through, prints which, and returns the bytes freed.
pub async fn prune(app: &App, filters: Filters) -> Result<i64> {
    let options = PruneVolumesOptionsBuilder::new()
        .filters(&for_bollard(filters))
        .build();
    let report = app.daemon()?.docker().prune_volumes(Some(options)).await?;
    let deleted = report.volumes_deleted.unwrap_or_default();
    if !deleted.is_empty() {
        output::print(&format!("Deleted Volumes:\n{}\n\n", deleted.join("\n")))?;
    }
    Ok(report.space_reclaimed.unwrap_or(0))
}
