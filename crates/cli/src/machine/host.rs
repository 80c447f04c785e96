//! `machine host`: the host process of one machine. Started by the other verbs and by the window, not by people.

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::store::Store;

use crate::error::{CliError, Result};

/// Be a machine's host process
#[derive(Debug, Args)]
pub struct Host {
    /// The machine
    name: MachineName,
}

impl Host {
    /// Runs until the machine has stopped.
    pub async fn run(self, store: Store) -> Result<()> {
        // It has a runtime of its own, which can't be started inside this one's thread.
        tokio::task::spawn_blocking(move || gantry_machine::host::run(&store, &self.name))
            .await
            .map_err(|error| CliError::invalid(error.to_string()))??;
        Ok(())
    }
}
