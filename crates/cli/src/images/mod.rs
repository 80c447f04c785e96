//! Images.

mod history;
mod import;
mod inspect;
mod load;
pub mod ls;
pub mod prune;
pub mod pull;
pub mod reference;
mod rm;
mod save;
mod tag;

use clap::Subcommand;

pub use history::History;
pub use import::Import;
pub use inspect::Inspect;
pub use load::Load;
pub use ls::Ls;
pub use prune::Prune;
pub use pull::Pull;
pub use rm::Rm;
pub use save::Save;
pub use tag::Tag;

use crate::app::App;
use crate::error::Result;

/// The verbs that docker has both as `docker VERB` and as `docker image VERB`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    History(History),
    Import(Import),
    Load(Load),
    Pull(Pull),
    Save(Save),
    Tag(Tag),
}

impl Verb {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Verb::History(verb) => verb.run(app).await,
            Verb::Import(verb) => verb.run(app).await,
            Verb::Load(verb) => verb.run(app).await,
            Verb::Pull(verb) => verb.run(app).await,
            Verb::Save(verb) => verb.run(app).await,
            Verb::Tag(verb) => verb.run(app).await,
        }
    }
}

/// `gantry image …`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    #[command(flatten)]
    Verb(Verb),
    Inspect(Inspect),
    #[command(visible_alias = "list")]
    Ls(Ls),
    Prune(Prune),
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

impl ImageCommand {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            ImageCommand::Verb(verb) => verb.run(app).await,
            ImageCommand::Inspect(verb) => verb.run(app).await,
            ImageCommand::Ls(verb) => verb.run(app).await,
            ImageCommand::Prune(verb) => verb.run(app).await,
            ImageCommand::Rm(verb) => verb.run(app).await,
        }
    }
}
