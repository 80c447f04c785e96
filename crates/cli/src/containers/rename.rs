//! `rename`.

use bollard::query_parameters::RenameContainerOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};

/// Rename a container
#[derive(Debug, Args)]
pub struct Rename {
    /// The container
    container: String,
    /// Its new name
    new_name: String,
}

impl Rename {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        if self.container.trim().is_empty() || self.new_name.trim().is_empty() {
            return Err(CliError::invalid(
                "Error: Neither old nor new names may be empty",
            ));
        }
        let options = RenameContainerOptionsBuilder::new()
            .name(&self.new_name)
            .build();
        let docker = app.daemon()?.docker();
        Ok(docker
            .rename_container(&segment(&self.container), options)
            .await?)
    }
}
