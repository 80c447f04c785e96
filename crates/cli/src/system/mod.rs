//! The engine as a whole.

mod df;
mod df_verbose;
mod events;
mod info;
mod prune;
mod version;

use clap::Subcommand;

pub use df::Df;
pub use events::Events;
pub use info::Info;
pub use prune::Prune;
pub use version::Version;

use crate::app::App;
use crate::error::Result;

/// `gantry system …`
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    Df(Df),
    Events(Events),
    Info(Info),
    Prune(Prune),
}

impl SystemCommand {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            SystemCommand::Df(verb) => verb.run(app).await,
            SystemCommand::Events(verb) => verb.run(app).await,
            SystemCommand::Info(verb) => verb.run(app).await,
            SystemCommand::Prune(verb) => verb.run(app).await,
        }
    }
}
