//! Volumes.

mod create;
mod inspect;
mod ls;
pub mod prune;
mod rm;

use clap::Subcommand;

pub use ls::{HEADERS, row};

use crate::app::App;
use crate::error::Result;

/// `gantry volume …`
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    Create(create::Create),
    Inspect(inspect::Inspect),
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    Prune(prune::Prune),
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
}

impl VolumeCommand {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            VolumeCommand::Create(verb) => verb.run(app).await,
            VolumeCommand::Inspect(verb) => verb.run(app).await,
            VolumeCommand::Ls(verb) => verb.run(app).await,
            VolumeCommand::Prune(verb) => verb.run(app).await,
            VolumeCommand::Rm(verb) => verb.run(app).await,
        }
    }
}
