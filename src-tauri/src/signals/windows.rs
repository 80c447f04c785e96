//! Console events. A window's own end comes to Tauri.

use tokio::signal::windows;

/// Waits until the system, or the terminal that the app was started from, asks it to end.
pub async fn asked_to_leave() -> std::io::Result<()> {
    let mut interrupt = windows::ctrl_c()?;
    let mut terminate = windows::ctrl_break()?;
    let mut close = windows::ctrl_close()?;
    let mut logoff = windows::ctrl_logoff()?;
    let mut shutdown = windows::ctrl_shutdown()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = close.recv() => {}
        _ = logoff.recv() => {}
        _ = shutdown.recv() => {}
    }
    Ok(())
}
