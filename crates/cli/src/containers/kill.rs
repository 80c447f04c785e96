//! `kill`.

use bollard::query_parameters::KillContainerOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

/// Kill one or more running containers
#[derive(Debug, Args)]
pub struct Kill {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Kill {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let options = KillContainerOptionsBuilder::new()
            .signal(&self.signal)
            .build();
        each(&self.containers, |name| async {
            Ok(docker
                .kill_container(&segment(name), Some(options.clone()))
                .await?)
        })
        .await
    }
}
