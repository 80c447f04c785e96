//! What goes on beside a session: signals are passed on, and the terminal keeps the person's size.

use crate::daemon::{Call, Daemon};
use crate::error::{CliError, Result};
use crate::terminal;

/// What becomes of the signals that this program gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// They go to the container.
    Forwarded,
    /// They end the session, and with it this program.
    Ending,
}

/// Catches signals from this call on, so that none ends the program halfway; poll the result to have them dealt with.
/// It is the exit code where they end the session. `container` is its path in the API.
pub fn signals<'a>(
    daemon: &'a Daemon,
    container: &'a str,
    signals: Signals,
) -> impl Future<Output = u8> + 'a {
    let forwarding = (signals == Signals::Forwarded).then(|| {
        terminal::forward(move |signal| async move {
            let path = format!("{container}/kill");
            // The process may have ended meanwhile.
            let _ = daemon.call(Call::post(&path).query("signal", signal)).await;
        })
    });
    let ending = (signals == Signals::Ending).then(terminal::ended);
    async move {
        if let Some(forwarding) = forwarding {
            forwarding.await;
        }
        match ending {
            Some(ending) => ending.await,
            None => std::future::pending().await,
        }
    }
}

/// Does `work` while `signals` are dealt with and, with a terminal, the one at `process` (the path of a container or an
/// exec) is kept as large as the person's.
pub async fn accompanied<T>(
    daemon: &Daemon,
    process: &str,
    tty: bool,
    signals: impl Future<Output = u8>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let resizing = async {
        if tty {
            keep_size(daemon, &format!("{process}/resize")).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = work => result,
        // The session is dropped, which puts the terminal back.
        code = signals => Err(CliError::Exit(code)),
        never = resizing => never,
    }
}

/// Sends the terminal's size to `path`, now and at each change.
async fn keep_size(daemon: &Daemon, path: &str) {
    let send = || async {
        if let Some((rows, columns)) = terminal::size() {
            let call = Call::post(path)
                .query("h", rows.to_string())
                .query("w", columns.to_string());
            // The process may have ended, or not be there yet; the next change sends again.
            let _ = daemon.call(call).await;
        }
    };
    let changes = terminal::resized(send);
    send().await;
    changes.await;
}
