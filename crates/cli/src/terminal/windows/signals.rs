//! What stands for signals: Ctrl-C, Ctrl-Break, the window's closing.

use std::future::Future;
use std::time::Duration;

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

/// How often the console's size is looked at; Windows tells nobody of its changes.
const LOOK: Duration = Duration::from_millis(250);

/// Calls `send` with INT each time Ctrl-C is pressed, until the person has asked for the end often enough; then returns
/// the exit code that says so. Keys are caught from the call on, not from the first poll.
pub fn forward<F: Future<Output = ()>>(
    send: impl Fn(&'static str) -> F,
) -> impl Future<Output = u8> {
    let caught = ctrl_c();
    async move {
        let Ok(mut caught) = caught else {
            return std::future::pending().await;
        };
        for _ in 0..super::super::ENOUGH {
            if caught.recv().await.is_none() {
                return std::future::pending().await;
            }
            send("INT").await;
        }
        130
    }
}

/// Waits for what would end this program, and returns the exit code that says so.
pub fn ended() -> impl Future<Output = u8> {
    let caught = (ctrl_c(), ctrl_break(), ctrl_close());
    async move {
        let (Ok(mut c), Ok(mut pause), Ok(mut close)) = caught else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = c.recv() => 130,
            _ = pause.recv() => 130,
            _ = close.recv() => 143,
        }
    }
}

/// Calls `then` each time the console's size has changed.
pub async fn resized<F: Future<Output = ()>>(then: impl Fn() -> F) {
    let mut known = super::size();
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let now = super::size();
        if now != known {
            known = now;
            then().await;
        }
    }
}
