//! The control socket: the command line and the window ask here.

use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::{LineError, Lines, Purpose, copy_both};
use tokio::sync::oneshot;

use super::figures;
use super::shared::{Change, Shared, Wish};
use crate::backend::Channel;
use crate::control::{Call, MAX_LINE, Reply};
use crate::local::Listener;

/// Where no more connections can be had just now, the next try is after so long.
const BREATH: Duration = Duration::from_millis(100);

/// Serves the socket until aborted. Those who are connected then are told the end.
pub async fn serve(shared: Arc<Shared>, mut listener: Listener) {
    loop {
        match listener.accept().await {
            Ok(client) => {
                let shared = shared.clone();
                let telling = shared.tell();
                tokio::spawn(async move {
                    let told = connection(&shared, client).await;
                    drop(telling);
                    match told {
                        // Who has heard the end waits for the connection's: it comes when we have let go of all.
                        Ok(Some(mut lines)) => drop(lines.next::<Call>().await),
                        Ok(None) => {}
                        Err(error) => tracing::debug!(%error, "a client of the control socket"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Answers until the client has gone; what is left to it where it has been told the end.
async fn connection(
    shared: &Arc<Shared>,
    client: Channel,
) -> Result<Option<Lines<Channel>>, LineError> {
    let mut lines = Lines::new(client, MAX_LINE);
    let mut status = shared.watch();
    loop {
        // A client that waits to ask is told nothing of the end: its connection closes.
        let call = tokio::select! {
            call = lines.next::<Call>() => call,
            _ = status.wait_for(|status| status.state.is_over()) => return Ok(None),
        };
        let call = match call {
            Ok(Some(call)) => call,
            Ok(None) => return Ok(None),
            Err(LineError::Json(error)) => {
                let why = format!("not understood: {error}");
                lines.send(&Reply::Refused(why)).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let reply = match call {
            Call::Status => Reply::Status(Box::new(shared.status())),
            Call::Figures => Reply::Figures(Box::new(figures::gather(shared).await)),
            Call::Pause => change(shared, Change::Pause).await,
            Call::Resume => change(shared, Change::Resume).await,
            Call::Memory { bytes } => change(shared, Change::Memory(bytes)).await,
            Call::Disk { bytes } => change(shared, Change::Disk(bytes)).await,
            Call::Watch => return watch(shared, lines).await.map(Some),
            Call::Stop { force } => {
                let _ = shared.wishes.send(Wish::Stop { force }).await;
                return watch(shared, lines).await.map(Some);
            }
            Call::Shell {
                command,
                rows,
                cols,
            } => {
                let purpose = Purpose::Shell {
                    command,
                    rows,
                    cols,
                };
                return shell(shared, lines, purpose).await.map(|()| None);
            }
        };
        lines.send(&reply).await?;
    }
}

async fn change(shared: &Shared, change: Change) -> Reply {
    let (done, answer) = oneshot::channel();
    let wished = shared.wishes.send(Wish::Change(change, done)).await;
    match (wished, answer.await) {
        (Ok(()), Ok(Ok(()))) => Reply::Done,
        (Ok(()), Ok(Err(why))) => Reply::Refused(why),
        _ => Reply::Refused("the machine is ending".to_owned()),
    }
}

/// The status now and after each change, up to the end.
async fn watch(shared: &Shared, mut lines: Lines<Channel>) -> Result<Lines<Channel>, LineError> {
    let mut status = shared.watch();
    loop {
        let now = status.borrow_and_update().clone();
        let over = now.state.is_over();
        lines.send(&Reply::Status(Box::new(now))).await?;
        if over || status.changed().await.is_err() {
            return Ok(lines);
        }
    }
}

async fn shell(
    shared: &Shared,
    mut lines: Lines<Channel>,
    purpose: Purpose,
) -> Result<(), LineError> {
    let opened = match shared.ready().await {
        Ok(tunnel) => tunnel
            .open(&purpose)
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match opened {
        Ok(mut stream) => {
            lines.send(&Reply::Shell).await?;
            copy_both(&mut lines.into_inner(), &mut stream).await?;
            Ok(())
        }
        Err(why) => lines.send(&Reply::Refused(why)).await,
    }
}
