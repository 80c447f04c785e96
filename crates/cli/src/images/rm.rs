//! `rmi`, also called `image rm`.

use bollard::query_parameters::RemoveImageOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each_printing;

/// Remove one or more images
#[derive(Debug, Args)]
pub struct Rm {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Rm {
    /// Runs the verb, printing what was untagged and deleted. With `--force`, what isn't there is no failure.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let options = RemoveImageOptionsBuilder::new()
            .force(self.force)
            .noprune(self.no_prune)
            .build();
        // One after the other: names of one image are removed in the order given.
        let mut failed = None;
        for image in &self.images {
            let result = each_printing(std::slice::from_ref(image), |name| async {
                match docker
                    .remove_image(&segment(name), Some(options.clone()), None)
                    .await
                {
                    Ok(removed) => {
                        let lines = removed.into_iter().filter_map(|item| {
                            let untagged = item.untagged.map(|name| format!("Untagged: {name}"));
                            untagged.or(item.deleted.map(|id| format!("Deleted: {id}")))
                        });
                        Ok(Some(lines.collect::<Vec<_>>().join("\n")))
                    }
                    Err(error) => {
                        let error = crate::error::CliError::from(error);
                        if self.force && error.is_not_found() {
                            crate::output::tell(&error);
                            return Ok(None);
                        }
                        Err(error)
                    }
                }
            })
            .await;
            match result {
                Err(error @ crate::error::CliError::Reported) => failed = Some(error),
                other => other?,
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
