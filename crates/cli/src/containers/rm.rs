//! `rm`.

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

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
    /// Runs the verb. With `--force`, what isn't there counts as removed.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let options = RemoveContainerOptionsBuilder::new()
            .force(self.force)
            .v(self.volumes)
            .link(self.link)
            .build();
        each(&self.containers, |name| async {
            let name = name.trim_matches('/');
            Ok(docker
                .remove_container(&segment(name), Some(options.clone()))
                .await?)
        })
        .await
    }
}
