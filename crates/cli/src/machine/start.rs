//! `machine start`.

use std::time::Duration;

use clap::Args;
use gantry_machine::client::{Client, Launcher, Seen, look};
use gantry_machine::control::Call;
use gantry_machine::store::{Machine, Store, StoreError};
use gantry_machine::{MachineName, State, context};

use super::follow::follow;
use super::init::Init;
use crate::app::App;
use crate::error::{CliError, Result};
use crate::output;
use crate::terminal;

/// A host process whose machine has stopped ends within this time.
const GONE_LIMIT: Duration = Duration::from_secs(15);

/// Start a machine
#[derive(Debug, Args)]
pub struct Start {
    /// The machine; the default one is made if there is none
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Start {
    /// Runs the verb: prints the machine's name once its engine answers.
    pub async fn run(self, app: &App, store: &Store) -> Result<()> {
        let machine = match (store.get(&self.name.clone().unwrap_or_default()), self.name) {
            (Err(StoreError::NotFound(name)), None) => {
                output::tell(format_args!("Making machine {name}"));
                Init::default().make(app, store)?
            }
            (found, _) => found?,
        };
        // Its folder may have moved since: another user's runtime folder, another home.
        if let Some(config) = app.config.dir()
            && let Err(error) =
                context::write(config, &machine.spec.name, &machine.paths.docker_host())
        {
            output::tell(format_args!("WARNING: {error}"));
        }
        start(&machine).await?;
        output::line(&machine.spec.name)
    }
}

/// Starts `machine` and shows how; called off by a signal.
async fn start(machine: &Machine) -> Result<()> {
    let cancelled = terminal::ended();
    Launcher::this()
        .map_err(CliError::file("find", "this program"))?
        .start(machine)
        .await?;
    let mut client = Client::connect(&machine.paths).await?;
    client.ask(&Call::Watch).await?;
    let up = |state: &State| matches!(state, State::Running | State::Paused) || state.is_over();
    let status = tokio::select! {
        status = follow(&mut client, up) => status?,
        code = cancelled => {
            output::tell("Calling the start off");
            halt(machine, true).await?;
            return Err(CliError::Exit(code));
        }
    };
    for warning in &status.warnings {
        output::tell(format_args!("WARNING: {warning}"));
    }
    match status.state {
        State::Failed { cause } => Err(CliError::invalid(cause.to_string())),
        State::Stopped | State::Stopping => Err(CliError::invalid("the machine was stopped")),
        _ => {
            output::tell(format_args!(
                "Machine {} runs. Use it by `docker --context {}` or DOCKER_HOST={}",
                machine.spec.name,
                machine.spec.name.context(),
                status.host
            ));
            Ok(())
        }
    }
}

/// Stops `machine` where it is hosted, and shows how.
pub async fn halt(machine: &Machine, force: bool) -> Result<()> {
    let mut client = Client::connect(&machine.paths).await?;
    client.ask(&Call::Stop { force }).await?;
    let status = follow(&mut client, State::is_over).await?;
    client.gone().await;
    match status.state {
        State::Failed { cause } => Err(CliError::invalid(cause.to_string())),
        _ => Ok(()),
    }
}

/// Stops `machine` whatever it is doing; whether there was anything to stop.
pub async fn bring_down(store: &Store, machine: &Machine, force: bool) -> Result<bool> {
    match look(store, machine).await? {
        Seen::Down(_) => return Ok(false),
        Seen::Hosted(_) => {}
        // Somebody must take it over to end it well.
        Seen::Unattended => {
            Launcher::this()
                .map_err(CliError::file("find", "this program"))?
                .start(machine)
                .await?;
        }
    }
    halt(machine, force).await?;
    // It tells the end a moment before it has gone itself, and what comes next wants its place.
    let (store, name) = (store.clone(), machine.spec.name.clone());
    let gone = tokio::task::spawn_blocking(move || store.until_unhosted(&name));
    match tokio::time::timeout(GONE_LIMIT, gone).await {
        Ok(Ok(gone)) => gone?,
        _ => {
            return Err(CliError::invalid(
                "the machine has stopped, but its host process does not end",
            ));
        }
    }
    Ok(true)
}
