//! Leaving the app: the shells that its terminals opened end before it does.

use std::time::Duration;

use tauri::{AppHandle, Manager, RunEvent};

use crate::signals;
use crate::streams::Streams;
use crate::terminal::Terminals;

/// How long the engine may take to hang up: the window is gone meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holds back the end that follows the last window's, for [`leave`].
pub fn on_event(app: &AppHandle, event: RunEvent) {
    // An end with a code is `leave`'s own.
    if let RunEvent::ExitRequested {
        code: None, api, ..
    } = event
    {
        api.prevent_exit();
        let app = app.clone();
        tauri::async_runtime::spawn(async move { leave(&app).await });
    }
}

/// Leaves when the desktop, or the terminal that the app was started from, asks it to.
pub async fn on_signals(app: &AppHandle) -> std::io::Result<()> {
    signals::asked_to_leave().await?;
    leave(app).await;
    Ok(())
}

async fn leave(app: &AppHandle) {
    app.state::<Streams>().close_all();
    let terminals = app.state::<Terminals>();
    if tokio::time::timeout(PATIENCE, terminals.all_left())
        .await
        .is_err()
    {
        tracing::warn!("the engine does not answer: shells may be left behind");
    }
    app.exit(0);
}
