//! `unpause`.

use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

/// Unpause all processes within one or more containers
#[derive(Debug, Args)]
pub struct Unpause {
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Unpause {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        each(&self.containers, |name| async {
            Ok(docker.unpause_container(&segment(name)).await?)
        })
        .await
    }
}
