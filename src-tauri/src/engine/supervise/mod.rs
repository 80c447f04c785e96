//! The one task that connects, starts the engine where none answers, and passes on its events.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as ClientError;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::{FutureExt, StreamExt};
use tokio::net::UnixStream;

use super::endpoint::{Address, Endpoint};
use super::sys::PathWatch;
use super::{AwayReason, Engine, EngineEvent, EngineState, launch};

/// Runs for as long as the app does.
pub async fn run(engine: &Engine) {
    let endpoint = match &engine.endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => {
            engine.away(String::new(), AwayReason::BadAddress, error.to_string());
            return;
        }
    };
    let mut may_start = endpoint.supervised;
    let mut was_there = false;
    loop {
        engine.state.send_replace(EngineState::Connecting);
        match connect(endpoint).await {
            Ok(found) => {
                engine.client.send_replace(Some(found.client.clone()));
                engine.state.send_replace(found.state);
                let followed = follow(engine, &found.client, found.since.as_deref()).await;
                engine.client.send_replace(None);
                // It went away while we watched: whoever stopped it may have meant to. It isn't started behind
                // their back, but noticed at once when it comes back.
                (may_start, was_there) = (false, true);
                match followed {
                    // A proxy that lets no events through would be asked without a pause.
                    Err(refusal @ ClientError::DockerResponseServerError { .. }) => {
                        engine.away(
                            endpoint.url(),
                            AwayReason::BadAnswer,
                            format!("/events: {refusal}"),
                        );
                    }
                    _ if reachable(&endpoint.address).await.is_ok() => continue,
                    _ => engine.away(endpoint.url(), AwayReason::Lost, String::new()),
                }
            }
            Err(Unreached {
                reason: AwayReason::NotAnswering,
                detail,
            }) => match (&endpoint.address, may_start) {
                (Address::Unix(socket), true) => {
                    may_start = false;
                    engine
                        .state
                        .send_replace(EngineState::Starting { asking: false });
                    let asking = || {
                        engine
                            .state
                            .send_replace(EngineState::Starting { asking: true });
                    };
                    match launch::start(socket, asking).await {
                        Ok(()) => continue,
                        Err(error) => {
                            engine.away(endpoint.url(), error.reason(), error.to_string())
                        }
                    }
                }
                _ => {
                    let reason = if was_there {
                        AwayReason::Lost
                    } else {
                        AwayReason::NotAnswering
                    };
                    engine.away(endpoint.url(), reason, detail);
                }
            },
            Err(Unreached { reason, detail }) => engine.away(endpoint.url(), reason, detail),
        }
        // A second press of the button is meant for what was shown before.
        let _ = engine.retry.notified().now_or_never();
        let answers_wrongly = matches!(
            &*engine.state.borrow(),
            EngineState::Away {
                reason: AwayReason::BadAnswer,
                ..
            }
        );
        tokio::select! {
            () = engine.retry.notified() => may_start = endpoint.supervised,
            () = appears(&endpoint.address, !answers_wrongly) => {}
        }
    }
}

impl Engine {
    fn away(&self, endpoint: String, reason: AwayReason, detail: String) {
        tracing::warn!(%endpoint, ?reason, detail, "no engine");
        self.state.send_replace(EngineState::Away {
            endpoint,
            reason,
            detail,
        });
    }
}

struct Unreached {
    reason: AwayReason,
    detail: String,
}

/// An engine that answers.
struct Found {
    client: Docker,
    state: EngineState,
    /// Its own time before anything was asked of it; `None` where it doesn't tell.
    since: Option<String>,
}

async fn connect(endpoint: &Endpoint) -> Result<Found, Unreached> {
    reachable(&endpoint.address).await.map_err(unreached)?;
    let talk = async {
        let client = endpoint.client()?.negotiate_version().await?;
        let version = client.version().await?;
        let since = client.info().await.ok().and_then(|info| info.system_time);
        Ok::<_, ClientError>((client, version, since))
    };
    let (client, version, since) = match talk.await {
        Ok(answers) => answers,
        Err(error) => {
            // One that was dying still took the connection. What listens on has answered like this.
            reachable(&endpoint.address).await.map_err(unreached)?;
            return Err(Unreached {
                reason: AwayReason::BadAnswer,
                detail: error.to_string(),
            });
        }
    };
    let state = EngineState::Ready {
        endpoint: endpoint.url(),
        name: version
            .platform
            .map(|platform| platform.name)
            .unwrap_or_default(),
        version: version.version.unwrap_or_default(),
        api_version: client.client_version().to_string(),
    };
    Ok(Found {
        client,
        state,
        since,
    })
}

fn unreached(error: io::Error) -> Unreached {
    Unreached {
        reason: match error.kind() {
            io::ErrorKind::PermissionDenied => AwayReason::NoAccess,
            _ => AwayReason::NotAnswering,
        },
        detail: error.to_string(),
    }
}

async fn reachable(address: &Address) -> io::Result<()> {
    match address {
        Address::Unix(socket) => UnixStream::connect(socket).await.map(drop),
        Address::Tcp(host) => tokio::net::TcpStream::connect(host).await.map(drop),
    }
}

/// Passes events on until the engine goes away. What happens between the page's first look and the subscription is
/// told too, by asking for what happened `since` before that.
async fn follow(engine: &Engine, client: &Docker, since: Option<&str>) -> Result<(), ClientError> {
    let mut options = EventsOptionsBuilder::new();
    if let Some(since) = since {
        options = options.since(since);
    }
    let mut events = std::pin::pin!(client.events(Some(options.build())));
    while let Some(message) = events.next().await {
        if let Some(event) = event(message?) {
            // Nobody listens while no view is open.
            let _ = engine.events.send(event);
        }
    }
    Ok(())
}

fn event(message: EventMessage) -> Option<EngineEvent> {
    let action = message.action?;
    // An exec's events (`exec_start: sh`) change nothing that a list shows.
    if action.starts_with("exec_") {
        return None;
    }
    Some(EngineEvent {
        kind: message.typ.map(|kind| kind.to_string()).unwrap_or_default(),
        action,
        id: message.actor.and_then(|actor| actor.id).unwrap_or_default(),
    })
}

/// Waits until something listens at a socket; forever for an address of another kind. `at_once` is for an address
/// where nothing answered: what listens by now has come since.
async fn appears(address: &Address, at_once: bool) {
    if let Address::Unix(socket) = address {
        match socket_appears(socket, at_once).await {
            Ok(()) => return,
            // Without the kernel's word there is still the button.
            Err(error) => {
                tracing::warn!(socket = %socket.display(), %error, "cannot watch the socket's folder")
            }
        }
    }
    std::future::pending().await
}

async fn socket_appears(socket: &Path, mut at_once: bool) -> io::Result<()> {
    loop {
        let folder = nearest_folder(socket);
        let watch = PathWatch::new(&folder)?;
        // The folder may have come between the look and the watch, and so may the socket.
        if nearest_folder(socket) != folder {
            continue;
        }
        if at_once && listens(socket).await {
            return Ok(());
        }
        watch.changed().await?;
        at_once = true;
    }
}

/// The kernel tells of bind(2), not of listen(2) a moment later.
async fn listens(socket: &Path) -> bool {
    for _ in 0..20 {
        match UnixStream::connect(socket).await {
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => break,
        }
    }
    false
}

fn nearest_folder(socket: &Path) -> PathBuf {
    socket
        .ancestors()
        .skip(1)
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

#[cfg(test)]
mod tests;
