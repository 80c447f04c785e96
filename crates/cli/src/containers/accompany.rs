//! What goes on beside a session: signals are passed on, and the terminal keeps the person's size.

use crate::daemon::{Call, Daemon};
use crate::error::{CliError, Result};
use crate::output::{self, text};
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
        match (forwarding, ending) {
            (Some(forwarding), _) => {
                let code = forwarding.await;
                let id = container.rsplit('/').next().unwrap_or(container);
                output::tell(format_args!(
                    "The container takes no notice of the signals and goes on without you. To end it: gantry kill {}",
                    text::short_id(id)
                ));
                code
            }
            (None, Some(ending)) => ending.await,
            (None, None) => std::future::pending().await,
        }
    }
}

/// Makes the terminal at `process` another size for a moment, so that the program in it draws its prompt anew for who
/// has just come.
pub async fn redraw(daemon: &Daemon, process: &str) {
    if let Some((rows, columns)) = terminal::size() {
        resize(
            daemon,
            process,
            rows.saturating_add(1),
            columns.saturating_add(1),
        )
        .await;
    }
}

async fn resize(daemon: &Daemon, process: &str, rows: u16, columns: u16) {
    let path = format!("{process}/resize");
    let call = Call::post(&path)
        .query("h", rows.to_string())
        .query("w", columns.to_string());
    // The process may have ended, or not be there yet; the next change sends again.
    let _ = daemon.call(call).await;
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
            keep_size(daemon, process).await;
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

/// Gives `process` the terminal's size, now and at each change.
async fn keep_size(daemon: &Daemon, process: &str) {
    let send = || async {
        if let Some((rows, columns)) = terminal::size() {
            resize(daemon, process, rows, columns).await;
        }
    };
    let changes = terminal::resized(send);
    send().await;
    changes.await;
}
