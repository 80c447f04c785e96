//! The page's view of the engine.

use tauri::State;
use tauri::ipc::Channel;
use tokio::sync::broadcast::error::RecvError;

use super::{Engine, EngineChoice, EngineEvent, EngineState};
use crate::error::{CommandError, ErrorCode};
use crate::machine::Machines;
use crate::settings::Home;
use crate::streams::Streams;

/// Sends the engine's state now and whenever it changes, until the page closes `stream`.
#[tauri::command]
pub async fn engine_watch(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    stream: u32,
    states: Channel<EngineState>,
) -> Result<(), CommandError> {
    let mut watch = engine.state.subscribe();
    streams
        .run(stream, |flow| async move {
            loop {
                flow.ready().await;
                let state = watch.borrow_and_update().clone();
                states.send(state).map_err(page_gone)?;
                if watch.changed().await.is_err() {
                    return Ok(());
                }
            }
        })
        .await
}

/// Sends what changes in the engine, until the page closes `stream`. After a gap (the page was slow) an event with
/// the action `gap` tells it to read everything again.
#[tauri::command]
pub async fn events_watch(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    stream: u32,
    events: Channel<EngineEvent>,
) -> Result<(), CommandError> {
    let mut from = engine.events.subscribe();
    streams
        .run(stream, |flow| async move {
            loop {
                let event = match from.recv().await {
                    Ok(event) => event,
                    Err(RecvError::Lagged(_)) => EngineEvent {
                        kind: String::new(),
                        action: "gap".into(),
                        id: String::new(),
                    },
                    Err(RecvError::Closed) => return Ok(()),
                };
                flow.ready().await;
                events.send(event).map_err(page_gone)?;
            }
        })
        .await
}

/// Tries again to reach the engine, and to start it.
#[tauri::command]
pub fn engine_retry(engine: State<'_, Engine>) {
    engine.retry();
}

/// Where the engine runs, and whether the person may choose.
#[tauri::command]
pub fn engine_choice(engine: State<'_, Engine>) -> EngineChoice {
    engine.choice()
}

/// Goes to the engine there, now and from the next start on.
#[tauri::command]
pub async fn engine_choose(
    engine: State<'_, Engine>,
    machines: State<'_, Machines>,
    home: Home,
) -> Result<EngineChoice, CommandError> {
    engine.choose(&machines, home)
}

/// A channel whose page is gone ends its stream.
pub fn page_gone(error: tauri::Error) -> CommandError {
    CommandError::new(ErrorCode::Cancelled, error.to_string())
}
