//! Machines: the Linux virtual machines that engines run in.

mod follow;
mod host;
mod init;
mod inspect;
mod logs;
mod ls;
mod reset;
mod rm;
mod set;
mod shell;
mod start;
mod stop;

use clap::Subcommand;
use gantry_machine::client::ClientError;
use gantry_machine::host::HostError;
use gantry_machine::paths::PathError;
use gantry_machine::store::{Machine, Store, StoreError};
use gantry_machine::{Home, MachineName};

use crate::app::App;
use crate::error::{CliError, Result};

/// `gantry machine …`
#[derive(Debug, Subcommand)]
pub enum MachineCommand {
    Init(init::Init),
    Start(start::Start),
    Stop(stop::Stop),
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    Inspect(inspect::Inspect),
    Set(set::Set),
    Logs(logs::Logs),
    Shell(shell::Shell),
    Reset(reset::Reset),
    #[command(hide = true)]
    Host(host::Host),
}

impl MachineCommand {
    /// Runs the verb.
    pub async fn run(self, app: &mut App) -> Result<()> {
        let store = Store::new(Home::from_env()?);
        match self {
            MachineCommand::Init(verb) => verb.run(app, &store),
            MachineCommand::Start(verb) => verb.run(app, &store).await,
            MachineCommand::Stop(verb) => verb.run(&store).await,
            MachineCommand::Rm(verb) => verb.run(app, &store).await,
            MachineCommand::Ls(verb) => verb.run(&store).await,
            MachineCommand::Inspect(verb) => verb.run(&store).await,
            MachineCommand::Set(verb) => verb.run(&store).await,
            MachineCommand::Logs(verb) => verb.run(&store).await,
            MachineCommand::Shell(verb) => verb.run(&store).await,
            MachineCommand::Reset(verb) => verb.run(&store).await,
            MachineCommand::Host(verb) => verb.run(store).await,
        }
    }
}

/// The machine that `name` names, or the default one.
fn named(store: &Store, name: Option<MachineName>) -> Result<Machine> {
    Ok(store.get(&name.unwrap_or_default())?)
}

/// A number of bytes on the command line, rounded up to whole MiB.
fn size(text: &str) -> std::result::Result<u64, String> {
    const MIB: u64 = 1024 * 1024;
    let bytes = crate::output::units::parse_bytes(text)?;
    let bytes = u64::try_from(bytes).map_err(|_| format!("invalid size: '{text}'"))?;
    Ok(bytes.div_ceil(MIB) * MIB)
}

/// A folder on the command line, as an absolute path without links: the guest mounts it at the same.
fn folder(text: &str) -> std::result::Result<std::path::PathBuf, String> {
    let path = std::fs::canonicalize(text).map_err(|error| format!("{text}: {error}"))?;
    if !path.is_dir() {
        return Err(format!("{text} is not a folder"));
    }
    gantry_machine::spec::check_share(&path).map_err(|error| error.to_string())?;
    Ok(path)
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> CliError {
        CliError::invalid(error.to_string())
    }
}

impl From<PathError> for CliError {
    fn from(error: PathError) -> CliError {
        CliError::invalid(error.to_string())
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> CliError {
        CliError::invalid(error.to_string())
    }
}

impl From<HostError> for CliError {
    fn from(error: HostError) -> CliError {
        CliError::invalid(error.to_string())
    }
}
