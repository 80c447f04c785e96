//! `wait`.

use clap::Args;

use super::exit_of::waiting;
use crate::app::App;
use crate::error::Result;
use crate::flags::targets::each_printing;

/// Block until one or more containers stop, then print their exit codes
#[derive(Debug, Args)]
pub struct Wait {
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        each_printing(&self.containers, |name| async {
            let status = waiting(app, name, "not-running").await?.status().await?;
            Ok(Some(status.to_string()))
        })
        .await
    }
}
