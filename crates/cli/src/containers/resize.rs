//! Keeps a container's terminal as large as the person's.

use crate::daemon::{Call, Daemon};
use crate::terminal;

/// Sends the terminal's size to `path` (a container's or an exec's `resize`), now and at each change.
pub async fn keep(daemon: &Daemon, path: &str) {
    let changes = terminal::resized(|| send(daemon, path));
    send(daemon, path).await;
    changes.await;
}

async fn send(daemon: &Daemon, path: &str) {
    if let Some((rows, columns)) = terminal::size() {
        let call = Call::post(path)
            .query("h", rows.to_string())
            .query("w", columns.to_string());
        // The process may have ended, or not be there yet; the next change sends again.
        let _ = daemon.call(call).await;
    }
}
