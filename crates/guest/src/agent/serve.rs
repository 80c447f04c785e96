//! One session: what the host asks for.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::{
    Answer, Incoming, Purpose, Refusal, RefusalKind, Request, Tunnel, TunnelError,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::channel::Io;
use super::settings::Settings;
use super::{calls, relay, say, shell};

/// How long a host of another version is left to itself.
const STRANGER: Duration = Duration::from_secs(5);

/// Serves a host until its session is over.
pub async fn session(
    io: Pin<Box<dyn Io>>,
    settings: &Arc<Settings>,
    session: &watch::Sender<Option<Tunnel>>,
) {
    let (tunnel, incoming) = match gantry_tunnel::accept(io).await {
        Ok(agreed) => agreed,
        Err(error) => {
            say(format_args!("no session with the host: {error}"));
            if matches!(error, TunnelError::Version { .. }) {
                // Such a host asks again and again.
                tokio::time::sleep(STRANGER).await;
            }
            return;
        }
    };
    say("the host is here");
    session.send_replace(Some(tunnel.clone()));
    serve(incoming, settings).await;
    say(format_args!(
        "the session with the host is over: {}",
        tunnel.closed().await
    ));
}

async fn serve(mut incoming: Incoming, settings: &Arc<Settings>) {
    // What is served ends with the session.
    let mut serving = JoinSet::new();
    while let Some(request) = incoming.next().await {
        while serving.try_join_next().is_some() {}
        serving.spawn(one(request, settings.clone()));
    }
}

async fn one(request: Request, settings: Arc<Settings>) {
    let served = match request.purpose.clone() {
        Purpose::Api => relay::api(request, &settings.api).await,
        Purpose::Tcp { to } => relay::tcp(request, to).await,
        Purpose::Udp { to } => relay::udp(request, to).await,
        Purpose::Agent => match request.accept(Answer::Ready).await {
            Ok(stream) => calls::serve(stream, &settings).await,
            Err(error) => Err(error),
        },
        Purpose::Shell {
            command,
            rows,
            cols,
        } => shell::serve(request, command, rows, cols).await,
        Purpose::Listen(_) | Purpose::Resolve => {
            let why = "that is asked of a host, not of a guest";
            request
                .refuse(Refusal::new(RefusalKind::Unsupported, why))
                .await
        }
    };
    // Connections break, on either side: that is nobody's fault, and told by a reset.
    drop(served);
}
