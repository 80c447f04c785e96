//! `restart`.

use bollard::query_parameters::RestartContainerOptionsBuilder;
use clap::Args;

use super::stop::StopFlags;
use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

/// Restart one or more containers
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    flags: StopFlags,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Restart {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let mut options = RestartContainerOptionsBuilder::new();
        if let Some(signal) = &self.flags.signal {
            options = options.signal(signal);
        }
        if let Some(timeout) = self.flags.timeout {
            options = options.t(timeout);
        }
        let options = options.build();
        each(&self.containers, |name| async {
            Ok(docker
                .restart_container(&segment(name), Some(options.clone()))
                .await?)
        })
        .await
    }
}
