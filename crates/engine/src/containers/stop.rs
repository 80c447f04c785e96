//! Ending a container: `stop`, `kill`, `restart`.
//!
//! Nobody waits for the end in the container's turn: whoever watches the container needs the turn to note the end.

use std::sync::Arc;
use std::time::Duration;

use gantry_runtime::{ClientError, ShimClient};

use super::{Container, Phase, Record, dirs, freezer, notes, signal, start};
use crate::error::{Error, Result};
use crate::state::Engine;

/// How long a container gets to end by itself when nothing is said.
const PATIENCE: i64 = 10;
/// How long the kernel gets to end a killed container, before we say so.
pub const KILLED: Duration = Duration::from_secs(30);

/// How to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// The signal asked for; the container's own when `None`.
    pub signal: Option<i32>,
    /// Seconds until it is killed; -1 waits forever; the container's own when `None`.
    pub timeout: Option<i64>,
}

/// Stops a container: its signal, then a kill when the time is over.
pub async fn stop(engine: &Arc<Engine>, container: &Arc<Container>, command: &Stop) -> Result<()> {
    let record = container.record();
    match record.state.phase {
        Phase::Running | Phase::Paused | Phase::Restarting => {}
        _ => {
            return Err(Error::NotModified(
                "container is stopped already".to_owned(),
            ));
        }
    }
    let signal = match command.signal {
        Some(signal) => signal,
        None => own_signal(&record)?,
    };
    let exits = record.state.exits;
    if !end(engine, container, signal).await? {
        return Ok(());
    }
    let seconds = command
        .timeout
        .or(record.definition.config.stop_timeout)
        .unwrap_or(PATIENCE);
    let patience = u64::try_from(seconds).ok().map(Duration::from_secs);
    if !ends_within(container, exits, patience).await {
        end(engine, container, libc::SIGKILL).await?;
        if !ends_within(container, exits, Some(KILLED)).await {
            return Err(Error::Internal(format!(
                "container {} didn't end though it was killed",
                record.id()
            )));
        }
    }
    // Whoever notes the end has the turn until it is told: this comes after it.
    let _turn = container.turn().await;
    notes::publish(engine, &container.record(), "stop", &[]);
    Ok(())
}

/// Sends a signal.
pub async fn kill(engine: &Arc<Engine>, container: &Arc<Container>, signal: i32) -> Result<()> {
    let record = container.record();
    let not_running = || {
        Error::conflict(format!(
            "cannot kill container: {}: container {} is not running",
            record.id(),
            record.id()
        ))
    };
    match record.state.phase {
        Phase::Running | Phase::Paused | Phase::Restarting => {}
        _ => return Err(not_running()),
    }
    let is_end = signal == libc::SIGKILL || signal == own_signal(&record)?;
    if is_end {
        end(engine, container, signal).await?;
    } else {
        let _turn = container.turn().await;
        send(engine, &record, signal).await?;
    }
    if signal == libc::SIGKILL {
        // As dockerd: who kills finds it dead afterwards.
        ends_within(
            container,
            record.state.exits,
            Some(Duration::from_secs(PATIENCE.unsigned_abs())),
        )
        .await;
    }
    Ok(())
}

/// Stops it, if it runs, and starts it.
pub async fn restart(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    command: &Stop,
) -> Result<()> {
    keep(container, true).await;
    match stop(engine, container, command).await {
        Ok(()) | Err(Error::NotModified(_)) => {}
        Err(error) => {
            keep(container, false).await;
            return Err(error);
        }
    }
    match start::start(engine, container).await {
        Ok(()) | Err(Error::NotModified(_)) => {}
        Err(error) => return Err(error),
    }
    notes::publish(engine, &container.record(), "restart", &[]);
    Ok(())
}

/// Says whether an end removes a container that goes by itself.
async fn keep(container: &Container, kept: bool) {
    let turn = container.turn().await;
    let mut record = container.record();
    record.state.kept = kept;
    container.set(&turn, record);
}

/// Notes that a person ends it, and sends the signal. False when it has ended already.
async fn end(engine: &Arc<Engine>, container: &Arc<Container>, signal: i32) -> Result<bool> {
    let turn = container.turn().await;
    let mut record = container.record();
    let was_waiting = record.state.phase == Phase::Restarting;
    if record.removed || !(record.state.phase.is_alive() || was_waiting) {
        return Ok(false);
    }
    let has_policy = record
        .definition
        .host
        .restart_policy
        .as_ref()
        .is_some_and(|policy| {
            !matches!(
                policy.name,
                None | Some(
                    gantry_api::models::RestartPolicyNameEnum::NO
                        | gantry_api::models::RestartPolicyNameEnum::EMPTY
                )
            )
        });
    if was_waiting || !record.state.stopped_by_hand {
        record.state.stopped_by_hand = true;
        if was_waiting {
            record.state.phase = Phase::Exited;
        }
        if has_policy {
            start::save(engine, &record).await?;
        }
        container.set(&turn, record.clone());
    }
    if was_waiting {
        return Ok(false);
    }
    send(engine, &record, signal).await?;
    if record.state.phase == Phase::Paused {
        // A frozen process can't take its signal.
        freezer::thaw(engine, &record).await?;
        record.state.phase = Phase::Running;
        start::save(engine, &record).await?;
        container.set(&turn, record.clone());
        notes::publish(engine, &record, "unpause", &[]);
    }
    Ok(true)
}

/// Sends a signal, in the container's turn: so it is told of before the end that it may bring.
async fn send(engine: &Arc<Engine>, record: &Record, signal: i32) -> Result<()> {
    match ShimClient::new(dirs::of(&engine.config, record.id()))
        .kill(signal)
        .await
    {
        // The end is on its way, and whoever watches it notes it: waiting for it is right, an error isn't.
        Ok(()) | Err(ClientError::NotRunning | ClientError::Gone) => {}
        Err(error) => return Err(error.into()),
    }
    notes::publish(engine, record, "kill", &[("signal", signal.to_string())]);
    Ok(())
}

/// Ends a process of which nobody was told, and waits until it has ended.
pub async fn end_process(client: &ShimClient) -> Result<()> {
    match client.kill(libc::SIGKILL).await {
        Ok(()) | Err(ClientError::Gone | ClientError::NotRunning) => {}
        Err(error) => return Err(error.into()),
    }
    match client.exited().await {
        Ok(_) | Err(ClientError::Gone) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for an end after the `exits`th. None waits forever.
pub async fn ends_within(container: &Container, exits: u64, patience: Option<Duration>) -> bool {
    let mut changes = container.watch();
    let ended = changes.wait_for(|record| {
        record.removed || record.state.exits > exits || !(record.state.phase.is_alive())
    });
    match patience {
        None => ended.await.is_ok(),
        Some(patience) => tokio::time::timeout(patience, ended).await.is_ok(),
    }
}

/// The signal that a container is stopped with.
fn own_signal(record: &Record) -> Result<i32> {
    match record
        .definition
        .config
        .stop_signal
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        Some(text) => signal::parse(text),
        None => Ok(libc::SIGTERM),
    }
}
