//! `stop`.

use bollard::query_parameters::StopContainerOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

/// When a container that is told to stop is killed.
#[derive(Debug, Args)]
pub struct StopFlags {
    /// Signal to send to the container
    #[arg(short, long)]
    pub signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS")]
    pub timeout: Option<i32>,
}

/// Stop one or more running containers
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    flags: StopFlags,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Stop {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let mut options = StopContainerOptionsBuilder::new();
        if let Some(signal) = &self.flags.signal {
            options = options.signal(signal);
        }
        if let Some(timeout) = self.flags.timeout {
            options = options.t(timeout);
        }
        let options = options.build();
        each(&self.containers, |name| async {
            Ok(docker
                .stop_container(&segment(name), Some(options.clone()))
                .await?)
        })
        .await
    }
}
