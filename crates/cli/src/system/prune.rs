//! `system prune`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::flags::filter::LongFilterFlag;
use crate::output;
use crate::{containers, images, networks, volumes};

/// Remove unused data
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    force: ForceFlag,
    #[command(flatten)]
    filter: LongFilterFlag,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

impl Prune {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let filters = self.filter.filters();
        let images = if self.all {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        };
        let volumes = if self.volumes {
            "\n  - all anonymous volumes not used by at least one container"
        } else {
            ""
        };
        let warning = format!(
            "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container{volumes}\n  - {images}\n"
        );
        if !self.force.confirm(&warning)? {
            return Ok(());
        }
        let mut freed = containers::prune::prune(app, filters.clone()).await?;
        networks::prune(app, &filters).await?;
        if self.volumes {
            freed += volumes::prune::prune(app, filters.clone()).await?;
        }
        freed += images::prune::prune(app, self.all, filters).await?;
        output::reclaimed(freed)
    }
}
