//! The host process of one machine: starts or takes over its virtual machine, holds the tunnel, and is the machine to
//! everybody on this computer.
//!
//! It may be killed at any moment: the virtual machine lives on, and the next host process takes it over. It ends when
//! the machine has stopped or failed.
//!
//! ```text
//! control.sock ─► control ─► wishes ─► lifecycle (the only writer of the state) ─► Vm
//! api.sock ─────► api ─────────────────────────┐
//! host ports ───► ports ◄── Listen ── session ─┴─► Tunnel ─► guest
//! ```

mod api;
mod clock;
mod console;
mod control;
mod engine;
mod figures;
mod idle;
mod lifecycle;
mod ports;
mod session;
mod shared;
mod stage;
mod stop;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::backend::unavailable::Unavailable;
use crate::client::READY;
use crate::local::Listener;
use crate::name::MachineName;
use crate::store::{Machine, Store, StoreError};
use shared::Shared;

/// Wishes that may wait.
const WISHES: usize = 16;

/// Why there is no host process.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The machine's files. A machine that is hosted already is [`StoreError::Running`], which is no failure.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A socket.
    #[error("listen at {socket}: {source}")]
    Listen {
        /// Where.
        socket: String,
        /// What the system said.
        source: io::Error,
    },
    /// The surroundings.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Is the host process of machine `name` until the machine has stopped or failed. Says so on standard output once it can
/// be talked to. Blocks; has a runtime of its own.
pub fn run(store: &Store, name: &MachineName) -> Result<(), HostError> {
    // Neither the terminal's end nor its keys are for us.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
    let _ = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("GANTRY_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .try_init();
    let hosted = runtime()?.block_on(host(store, name));
    match &hosted {
        Err(HostError::Store(StoreError::Running(_))) => {
            announce(READY);
            return Ok(());
        }
        Err(error) => {
            tracing::error!(%error, "no host process");
            announce(&error.to_string().replace('\n', " "));
        }
        Ok(()) => {}
    }
    hosted
}

/// What the machine's bytes pass through: more than one thread, since the tunnel and what it carries are busy at once.
fn runtime() -> Result<tokio::runtime::Runtime, HostError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| HostError::Io {
            action: "set the program up",
            source,
        })
}

/// One line for whoever started us, who may have gone.
fn announce(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

async fn host(store: &Store, name: &MachineName) -> Result<(), HostError> {
    let machine = store.get(name)?;
    let _one = store.hosting(name)?;
    match machine.spec.backend {
        #[cfg(unix)]
        crate::BackendKind::Qemu => {
            let backend = crate::backend::qemu::Qemu {
                probes: store.home().probes(),
            };
            host_with(store, machine, backend).await
        }
        #[cfg(unix)]
        crate::BackendKind::Vfkit => host_with(store, machine, crate::backend::vfkit::Vfkit).await,
        other => host_with(store, machine, Unavailable(other)).await,
    }
}

async fn host_with<B: Backend>(
    store: &Store,
    machine: Machine,
    backend: B,
) -> Result<(), HostError> {
    let listen = |path: std::path::PathBuf| {
        Listener::bind(&path).map_err(|source| HostError::Listen {
            socket: path.display().to_string(),
            source,
        })
    };
    let control = listen(machine.paths.control_socket())?;
    let api = listen(machine.paths.api_socket())?;
    let (wishes, wished) = mpsc::channel(WISHES);
    let shared = Arc::new(Shared::new(store.clone(), machine, wishes));
    shared.forget_last();
    announce(READY);
    let api = tokio::spawn(api::serve(shared.clone(), api));
    let control = tokio::spawn(control::serve(shared.clone(), control));
    let signals = tokio::spawn(stop::at_signals(shared.clone()));
    lifecycle::drive(shared.clone(), backend, wished).await;
    shared.remember_last();
    api.abort();
    signals.abort();
    control.abort();
    // Those who watch are told the end before we go.
    shared.told().await;
    shared.remove_sockets();
    Ok(())
}
