//! Signals.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the desktop, or the terminal that the app was started from, asks it to end.
pub async fn asked_to_leave() -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
