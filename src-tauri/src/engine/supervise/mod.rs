//! The one task that connects, starts the engine where none answers, and passes on its events.

mod kept;

use std::io;

use bollard::Docker;
use bollard::errors::Error as ClientError;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::{FutureExt, StreamExt};

use super::endpoint::{Address, Endpoint};
use super::{AwayReason, Engine, EngineEvent, EngineState, local};
use crate::machine::Machines;
use kept::Kept;

/// Runs for as long as the app does.
pub async fn run(engine: &Engine, machines: &Machines) {
    let mut chosen = engine.endpoint.subscribe();
    loop {
        let endpoint = chosen.borrow_and_update().clone();
        let served = async {
            match &endpoint {
                Ok(endpoint) => serve(engine, machines, endpoint).await,
                Err(error) => {
                    engine.away(String::new(), AwayReason::BadAddress, error.to_string());
                    std::future::pending().await
                }
            }
        };
        tokio::select! {
            () = served => {}
            _ = chosen.changed() => {
                engine.client.send_replace(None);
            }
        }
    }
}

/// Serves one address until the person chooses another.
async fn serve(engine: &Engine, machines: &Machines, endpoint: &Endpoint) {
    let mut kept = Kept::of(endpoint, machines);
    let mut may_start = true;
    let mut was_there = false;
    loop {
        engine.state.send_replace(EngineState::Connecting);
        match connect(endpoint, &mut kept).await {
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
                    _ => engine.away(
                        endpoint.url(),
                        kept.why_not().unwrap_or(AwayReason::Lost),
                        String::new(),
                    ),
                }
            }
            Err(Unreached {
                reason: AwayReason::NotAnswering,
                ..
            }) if kept.is_starting() || may_start && kept.can_start() => {
                may_start = false;
                match kept.start(engine).await {
                    Ok(()) => continue,
                    Err(unreached) => {
                        engine.away(endpoint.url(), unreached.reason, unreached.detail);
                    }
                }
            }
            Err(Unreached {
                reason: AwayReason::NotAnswering,
                detail,
            }) => {
                let reason = if was_there {
                    AwayReason::Lost
                } else {
                    AwayReason::NotAnswering
                };
                engine.away(endpoint.url(), kept.why_not().unwrap_or(reason), detail);
            }
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
            () = engine.retry.notified() => may_start = true,
            () = kept.appears(endpoint, !answers_wrongly) => {}
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

/// Why no engine is reached.
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

async fn connect(endpoint: &Endpoint, kept: &mut Kept<'_>) -> Result<Found, Unreached> {
    // A machine's socket is there before its engine is.
    kept.is_up().await?;
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
        Address::Local(path) => local::connect(path).await.map(drop),
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

/// Waits until something listens at the system's own kind of address; forever for another. `at_once` is for an address
/// where nothing answered: what listens by now has come since.
async fn appears(address: &Address, at_once: bool) {
    if let Address::Local(path) = address {
        match local::appears(path, at_once).await {
            Ok(()) => return,
            // Without the kernel's word there is still the button.
            Err(error) => {
                tracing::warn!(socket = %path.display(), %error, "cannot watch the socket's folder")
            }
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
