//! Contexts: engines by name, as docker keeps them.

mod inspect;
mod ls;
mod show;
mod use_;

use clap::Subcommand;

use crate::app::App;
use crate::endpoint::DEFAULT_CONTEXT;
use crate::endpoint::context::{self, Context};
use crate::error::Result;

/// `gantry context …`
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    Inspect(inspect::Inspect),
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    Show(show::Show),
    Use(use_::Use),
}

impl ContextCommand {
    /// Runs the verb.
    pub fn run(self, app: &mut App) -> Result<()> {
        match self {
            ContextCommand::Inspect(verb) => verb.run(app),
            ContextCommand::Ls(verb) => verb.run(app),
            ContextCommand::Show(verb) => verb.run(app),
            ContextCommand::Use(verb) => verb.run(app),
        }
    }
}

/// The context `name`.
fn find(app: &App, name: &str) -> Result<Context> {
    if name == DEFAULT_CONTEXT {
        return default(app);
    }
    context::find(app.config.dir(), name)
}

/// What stands for "no context": the address of `DOCKER_HOST` or Gantry's own socket.
fn default(app: &App) -> Result<Context> {
    Ok(Context {
        name: DEFAULT_CONTEXT.to_owned(),
        description: "Current DOCKER_HOST based configuration".to_owned(),
        host: app.wishes.default_host()?.to_owned(),
        has_tls: false,
        folder: None,
    })
}
