//! The engine this window looks at: where it is, whether it answers, and starting it where it doesn't.
//!
//! One task ([`supervise::run`]) owns the connection. It publishes the engine's state on a watch channel and the
//! engine's events on a broadcast channel, so that every view is live from one stream and nothing polls.

mod choice;
pub mod commands;
pub mod endpoint;
pub mod local;
#[cfg(target_os = "linux")]
mod native;
pub mod supervise;
pub mod sys;
pub mod wire;

use bollard::Docker;
use serde::Serialize;
use tokio::sync::{Notify, broadcast, watch};

use crate::error::{CommandError, ErrorCode};
use crate::machine::Machines;
use crate::settings;
pub use choice::EngineChoice;
use endpoint::{Endpoint, EndpointError};
use wire::Wire;

/// What the foot of the window shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EngineState {
    /// Asking whether an engine answers.
    Connecting,
    /// None answered; one is being started.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "an engine on the system itself")
    )]
    Starting {
        /// Whether the desktop is asking the person for permission.
        asking: bool,
    },
    /// The machine that it runs in is starting; `machine_watch` tells how far.
    Booting {
        /// The machine's name.
        machine: String,
    },
    /// It answers.
    Ready {
        /// Where it listens, as a URL.
        endpoint: String,
        /// Its name, as it tells (`Gantry`, `Docker Engine - Community`).
        name: String,
        /// Its version.
        version: String,
        /// The API version spoken with it.
        api_version: String,
    },
    /// None answers, and this is why.
    Away {
        /// Where it should listen, as a URL.
        endpoint: String,
        /// What happened.
        reason: AwayReason,
        /// What the engine or the desktop said about it; may be empty.
        detail: String,
    },
}

/// Why there is no engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(
    not(target_os = "linux"),
    expect(
        dead_code,
        reason = "some are of an engine that runs on the system itself"
    )
)]
pub enum AwayReason {
    /// The address given by the environment does not answer, and it isn't ours to start.
    NotAnswering,
    /// The socket is there, but this user may not use it.
    NoAccess,
    /// Something answers, but not as an engine does.
    BadAnswer,
    /// The address can't be read or isn't supported.
    BadAddress,
    /// `gantryd` is neither beside the app nor on PATH.
    BinaryMissing,
    /// Not root, and there is no way to ask for permission.
    NoPrivilege,
    /// The person (or the desktop's policy) declined.
    Declined,
    /// Others share the person's primary group: handing it the engine's socket would make them root.
    SharedGroup,
    /// `gantryd` was started and ended again.
    Ended,
    /// It ran and went away.
    Lost,
    /// The machine that it runs in is stopped.
    MachineStopped,
    /// The machine that it runs in could not start, or died; `machine_watch` tells more.
    MachineFailed,
}

/// Something that changed in the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct EngineEvent {
    /// The kind of thing: `container`, `image`, `volume`, `network`.
    pub kind: String,
    /// What happened to it: `start`, `die`, `pull` …
    pub action: String,
    /// Its id, or name.
    pub id: String,
}

/// The connection that all commands share.
pub struct Engine {
    endpoint: watch::Sender<Result<Endpoint, EndpointError>>,
    state: watch::Sender<EngineState>,
    client: watch::Sender<Option<Docker>>,
    events: broadcast::Sender<EngineEvent>,
    retry: Notify,
}

impl Engine {
    /// For the endpoint that the environment or the person's choice names. Nothing is asked of it before
    /// [`supervise::run`].
    pub fn find(machines: &Machines) -> Self {
        Self::new(Endpoint::find(machines, settings::engine_home()))
    }

    fn new(endpoint: Result<Endpoint, EndpointError>) -> Self {
        Self {
            endpoint: watch::Sender::new(endpoint),
            state: watch::Sender::new(EngineState::Connecting),
            client: watch::Sender::new(None),
            events: broadcast::Sender::new(1024),
            retry: Notify::new(),
        }
    }

    /// Tries again to reach the engine, and to start it.
    pub fn retry(&self) {
        self.retry.notify_one();
    }

    /// The client of the engine that answers now.
    pub fn client(&self) -> Result<Docker, CommandError> {
        self.client
            .borrow()
            .clone()
            .ok_or_else(|| CommandError::new(ErrorCode::EngineAway, "the engine is not running"))
    }

    /// The same engine for calls whose answer is bytes.
    pub fn wire(&self) -> Result<Wire, CommandError> {
        let version = self.client()?.client_version().to_string();
        let endpoint = self.endpoint.borrow();
        let endpoint = endpoint
            .as_ref()
            .map_err(|error| CommandError::new(ErrorCode::EngineAway, error.to_string()))?;
        Ok(Wire::new(endpoint.address.clone(), version))
    }
}
