//! `docker attach`: a container's stdio, now or from its next start on.

use std::sync::Arc;

use gantry_runtime::{AttachOptions, AttachStream, ClientError, ShimClient};
use tokio::sync::oneshot;

use super::{Container, Phase, Record, dirs, notes};
use crate::error::{Error, Result};
use crate::state::Engine;

/// A client that waits for the container to start.
#[derive(Debug)]
pub struct WaitingAttach {
    /// What it wants.
    pub options: AttachOptions,
    /// Where its stream goes.
    pub stream: oneshot::Sender<AttachStream>,
}

/// How a client is attached.
#[derive(Debug)]
pub enum Attached {
    /// Now.
    Now(AttachStream),
    /// When the container starts; dropping this takes the client off the list.
    AtStart(oneshot::Receiver<AttachStream>),
    /// Never: it has ended, and only the log was asked for.
    Ended,
}

/// Attaches a client. A container that doesn't run is waited for.
pub async fn attach(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    options: AttachOptions,
) -> Result<Attached> {
    let record = container.record();
    if record.state.phase == Phase::Running {
        return now(engine, &record, options).await;
    }
    // In the container's turn: a start takes those who wait along, and may be at it.
    let _turn = container.turn().await;
    let record = container.record();
    if record.removed {
        return Err(Error::not_found(format!(
            "No such container: {}",
            record.id()
        )));
    }
    match record.state.phase {
        Phase::Running => now(engine, &record, options).await,
        Phase::Paused => Err(Error::conflict(format!(
            "container {} is paused, unpause the container before attach",
            record.id()
        ))),
        Phase::Restarting => Err(Error::conflict(format!(
            "container {} is restarting, wait until the container is running",
            record.id()
        ))),
        Phase::Removing | Phase::Dead => Err(Error::conflict("container is marked for removal")),
        Phase::Created | Phase::Exited => {
            let (sender, receiver) = oneshot::channel();
            container.add_waiting(WaitingAttach {
                options,
                stream: sender,
            });
            notes::publish(engine, &record, "attach", &[]);
            Ok(Attached::AtStart(receiver))
        }
    }
}

async fn now(engine: &Engine, record: &Record, options: AttachOptions) -> Result<Attached> {
    let client = ShimClient::new(dirs::of(&engine.config, record.id()));
    match client.attach(options).await {
        Ok(stream) => {
            notes::publish(engine, record, "attach", &[]);
            Ok(Attached::Now(stream))
        }
        // It ended this moment: nothing will come any more.
        Err(ClientError::NotRunning | ClientError::Gone) => Ok(Attached::Ended),
        Err(error) => Err(error.into()),
    }
}
