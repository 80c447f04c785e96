//! `rm`.

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};
use crate::flags::targets::each_printing;
use crate::output;

/// Remove one or more containers
#[derive(Debug, Args)]
pub struct Rm {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Rm {
    /// Runs the verb. With `--force`, what isn't there is told and no failure.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let options = RemoveContainerOptionsBuilder::new()
            .force(self.force)
            .v(self.volumes)
            .link(self.link)
            .build();
        each_printing(&self.containers, |name| async {
            let id = segment(name.trim_matches('/'));
            match docker.remove_container(&id, Some(options.clone())).await {
                Ok(()) => Ok(Some(name.to_owned())),
                Err(error) => match CliError::from(error) {
                    error if self.force && error.is_not_found() => {
                        output::tell(error);
                        Ok(None)
                    }
                    error => Err(error),
                },
            }
        })
        .await
    }
}
