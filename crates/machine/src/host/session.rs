//! A session of the tunnel: begun anew whenever the one before has ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gantry_tunnel::agent::{Agent, AgentCall};
use gantry_tunnel::resolve::{self, SystemResolvers};
use gantry_tunnel::{Answer, Incoming, Purpose, Refusal, RefusalKind, Request, Tunnel};
use tokio::task::AbortHandle;

use super::ports;
use super::shared::Shared;
use crate::backend::Vm;

/// An agent that doesn't answer for so long is busy with something else.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A session. Dropped, what it carries ends.
pub struct Session {
    /// Its tunnel.
    pub tunnel: Tunnel,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
        self.shared.set_tunnel(None);
    }
}

impl Session {
    /// Connects to the guest's agent; waits as long as it doesn't answer.
    pub async fn begin(shared: Arc<Shared>, vm: &impl Vm) -> Result<Session, String> {
        let channel = vm.channel().await.map_err(|error| error.to_string())?;
        let (tunnel, incoming) = gantry_tunnel::connect(channel)
            .await
            .map_err(|error| error.to_string())?;
        let serving = tokio::spawn(serve(shared.clone(), incoming)).abort_handle();
        shared.set_tunnel(Some(tunnel.clone()));
        tokio::spawn(set_time(tunnel.clone()));
        Ok(Session {
            tunnel,
            shared,
            serving,
        })
    }
}

/// Tells the guest what time it is.
pub async fn set_time(tunnel: Tunnel) {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let call = AgentCall::Time {
        unix_nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
    };
    match self::call(&tunnel, &call).await {
        Ok(reply) => tracing::debug!(?reply, "the guest's time"),
        Err(why) => tracing::warn!(why, "the guest's time was not set"),
    }
}

/// Asks the guest's agent.
pub async fn call(
    tunnel: &Tunnel,
    call: &AgentCall,
) -> Result<gantry_tunnel::agent::AgentReply, String> {
    let asked = async {
        let mut agent = Agent::open(tunnel).await?;
        agent.call(call).await
    };
    match tokio::time::timeout(CALL_LIMIT, asked).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => Err("the guest's agent doesn't answer".to_owned()),
    }
}

/// Answers what the guest wants of the host.
async fn serve(shared: Arc<Shared>, mut incoming: Incoming) {
    while let Some(request) = incoming.next().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let answered = match request.purpose.clone() {
                Purpose::Listen(claim) => ports::listen(shared, request, claim).await,
                Purpose::Resolve => names(request).await,
                other => {
                    tracing::debug!(?other, "the guest wants what the host doesn't do");
                    request
                        .refuse(Refusal::new(
                            RefusalKind::Unsupported,
                            "the host doesn't do that",
                        ))
                        .await
                }
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "a stream of the guest's");
            }
        });
    }
}

/// Asks the host's own servers for names, as they are now: a VPN may have brought others.
async fn names(request: Request) -> std::io::Result<()> {
    let stream = request.accept(Answer::Ready).await?;
    resolve::serve(stream, Arc::new(SystemResolvers)).await
}
