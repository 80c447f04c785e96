//! What the page may ask of machines.

use gantry_machine::client::ClientError;
use gantry_machine::store::StoreError;
use tauri::State;
use tauri::ipc::Channel;
use tokio::time::MissedTickBehavior;

use super::console::Console;
use super::figures::{self, MachineUse};
use super::view::{Applied, Limits, Machine};
use super::{MachineError, Machines};
use crate::engine::commands::page_gone;
use crate::error::{CommandError, ErrorCode};
use crate::streams::Streams;

/// The names of all machines; the one that a first start makes is among them.
#[tauri::command]
pub async fn machines_list(machines: State<'_, Machines>) -> Result<Vec<String>, CommandError> {
    let names = machines.names().await?;
    Ok(names.into_iter().map(String::from).collect())
}

/// Sends what the machine is and does, now and after each change, until the page closes `stream`.
#[tauri::command]
pub async fn machine_watch(
    machines: State<'_, Machines>,
    streams: State<'_, Streams>,
    stream: u32,
    name: String,
    machine: Channel<Machine>,
) -> Result<(), CommandError> {
    let name = named(&name)?;
    let mut word = machines.follow(&name).map_err(MachineError::from)?;
    let mut changes = machines.changes();
    streams
        .run(stream, |flow| async move {
            loop {
                flow.ready().await;
                changes.borrow_and_update();
                let told = word.borrow_and_update().clone();
                if let Some(view) = machines.look(&name, told).await? {
                    machine.send(view).map_err(page_gone)?;
                }
                let ended = tokio::select! {
                    changed = word.changed() => changed.is_err(),
                    changed = changes.changed() => changed.is_err(),
                };
                if ended {
                    return Ok(());
                }
            }
        })
        .await
}

/// Starts the machine, and makes it where it is missing. How far it comes is told by [`machine_watch`].
#[tauri::command]
pub async fn machine_start(
    machines: State<'_, Machines>,
    name: String,
) -> Result<(), CommandError> {
    Ok(machines.start(&named(&name)?).await?)
}

/// Stops the machine, also one that is starting; answers when it stands. `force` is as if the power went.
#[tauri::command]
pub async fn machine_stop(
    machines: State<'_, Machines>,
    name: String,
    force: bool,
) -> Result<(), CommandError> {
    Ok(machines.stop(&named(&name)?, force).await?)
}

/// Stops the machine and starts it with what its limits are by now.
#[tauri::command]
pub async fn machine_restart(
    machines: State<'_, Machines>,
    name: String,
) -> Result<(), CommandError> {
    let name = named(&name)?;
    machines.stop(&name, false).await?;
    Ok(machines.start(&name).await?)
}

/// Sets what the machine may use.
#[tauri::command]
pub async fn machine_set(
    machines: State<'_, Machines>,
    name: String,
    limits: Limits,
) -> Result<Applied, CommandError> {
    Ok(machines.set(&named(&name)?, limits).await?)
}

/// Makes the machine new: its containers, images and volumes are gone. It is stopped for that.
#[tauri::command]
pub async fn machine_reset(
    machines: State<'_, Machines>,
    name: String,
) -> Result<(), CommandError> {
    Ok(machines.reset(&named(&name)?).await?)
}

/// Sends what the machine uses, every other second, until the page closes `stream` or the machine stops.
#[tauri::command]
pub async fn machine_figures(
    machines: State<'_, Machines>,
    streams: State<'_, Streams>,
    stream: u32,
    name: String,
    figures: Channel<MachineUse>,
) -> Result<(), CommandError> {
    let paths = machines.paths(&named(&name)?).map_err(MachineError::from)?;
    streams
        .run(stream, |flow| async move {
            let mut ticks = tokio::time::interval(figures::PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                flow.ready().await;
                match figures::read(&paths).await {
                    Ok(reading) => figures.send(reading).map_err(page_gone)?,
                    Err(ClientError::NotRunning(_)) => return Ok(()),
                    Err(error) => return Err(MachineError::from(error).into()),
                }
            }
        })
        .await
}

/// Sends the end of the guest's console and what is added to it, until the page closes `stream`.
#[tauri::command]
pub async fn machine_console(
    machines: State<'_, Machines>,
    streams: State<'_, Streams>,
    stream: u32,
    name: String,
    lines: Channel<Vec<String>>,
) -> Result<(), CommandError> {
    let paths = machines.paths(&named(&name)?).map_err(MachineError::from)?;
    let path = &paths.console();
    let failed = |error: std::io::Error| {
        CommandError::new(ErrorCode::Failed, format!("{}: {error}", path.display()))
    };
    streams
        .run(stream, |flow| async move {
            let mut console = Console::open(path).map_err(failed)?;
            loop {
                flow.ready().await;
                let told = console.next().await.map_err(failed)?;
                lines.send(told).map_err(page_gone)?;
            }
        })
        .await
}

fn named(name: &str) -> Result<gantry_machine::MachineName, CommandError> {
    name.parse()
        .map_err(|error: gantry_machine::name::NameError| {
            CommandError::new(ErrorCode::InvalidInput, error.to_string())
        })
}

impl From<MachineError> for CommandError {
    fn from(error: MachineError) -> Self {
        let code = match &error {
            MachineError::Store(StoreError::NotFound(_)) => ErrorCode::NotFound,
            MachineError::Store(StoreError::Running(_) | StoreError::Exists(_)) => {
                ErrorCode::Conflict
            }
            MachineError::Store(StoreError::DiskShrinks { .. } | StoreError::Spec(_)) => {
                ErrorCode::InvalidInput
            }
            MachineError::Client(ClientError::Refused(_)) => ErrorCode::Refused,
            _ => ErrorCode::Failed,
        };
        Self::new(code, error.to_string())
    }
}
