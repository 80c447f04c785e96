//! Containers.

mod accompany;
mod archive;
mod attach;
mod cp;
mod create;
mod diff;
mod exec;
mod exit_of;
mod figures;
mod inspect;
mod kill;
mod limits;
mod logs;
pub mod ls;
mod pause;
mod port;
mod ports_shown;
pub mod prune;
mod rename;
mod restart;
mod rm;
mod run;
mod start;
mod stats;
mod stop;
mod top;
mod unpause;
mod update;
mod wait;

use clap::Subcommand;

pub use attach::Attach;
pub use cp::Cp;
pub use create::{Create, key_values};
pub use diff::Diff;
pub use exec::Exec;
pub use inspect::Inspect;
pub use kill::Kill;
pub use logs::{Logs, Period};
pub use ls::Ls;
pub use pause::Pause;
pub use port::Port;
pub use prune::Prune;
pub use rename::Rename;
pub use restart::Restart;
pub use rm::Rm;
pub use run::Run;
pub use start::Start;
pub use stats::Stats;
pub use stop::Stop;
pub use top::Top;
pub use unpause::Unpause;
pub use update::Update;
pub use wait::Wait;

use crate::app::App;
use crate::error::Result;

/// The verbs that docker has both as `docker VERB` and as `docker container VERB`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Attach(Attach),
    Cp(Cp),
    Create(Box<Create>),
    Diff(Diff),
    Exec(Exec),
    Kill(Kill),
    Logs(Logs),
    Pause(Pause),
    Port(Port),
    Rename(Rename),
    Restart(Restart),
    #[command(alias = "remove")]
    Rm(Rm),
    Run(Box<Run>),
    Start(Start),
    Stats(Stats),
    Stop(Stop),
    Top(Top),
    Unpause(Unpause),
    Update(Update),
    Wait(Wait),
}

impl Verb {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Verb::Attach(verb) => verb.run(app).await,
            Verb::Cp(verb) => verb.run(app).await,
            Verb::Create(verb) => verb.run(app).await,
            Verb::Diff(verb) => verb.run(app).await,
            Verb::Exec(verb) => verb.run(app).await,
            Verb::Kill(verb) => verb.run(app).await,
            Verb::Logs(verb) => verb.run(app).await,
            Verb::Pause(verb) => verb.run(app).await,
            Verb::Port(verb) => verb.run(app).await,
            Verb::Rename(verb) => verb.run(app).await,
            Verb::Restart(verb) => verb.run(app).await,
            Verb::Rm(verb) => verb.run(app).await,
            Verb::Run(verb) => verb.run(app).await,
            Verb::Start(verb) => verb.run(app).await,
            Verb::Stats(verb) => verb.run(app).await,
            Verb::Stop(verb) => verb.run(app).await,
            Verb::Top(verb) => verb.run(app).await,
            Verb::Unpause(verb) => verb.run(app).await,
            Verb::Update(verb) => verb.run(app).await,
            Verb::Wait(verb) => verb.run(app).await,
        }
    }
}

/// `gantry container …`
#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    #[command(flatten)]
    Verb(Verb),
    Inspect(Inspect),
    #[command(visible_aliases = ["list", "ps"])]
    Ls(Ls),
    Prune(Prune),
}

impl ContainerCommand {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            ContainerCommand::Verb(verb) => verb.run(app).await,
            ContainerCommand::Inspect(verb) => verb.run(app).await,
            ContainerCommand::Ls(verb) => verb.run(app).await,
            ContainerCommand::Prune(verb) => verb.run(app).await,
        }
    }
}
