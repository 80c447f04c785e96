//! What the parts of a host process share.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gantry_tunnel::Tunnel;
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::VmFacts;
use crate::control::{Published, Status};
use crate::spec::write_atomically;
use crate::state::{Stage, State};
use crate::store::{Machine, Store};

/// A tunnel that isn't there for so long won't be soon.
const TUNNEL_LIMIT: Duration = Duration::from_secs(30);
/// Those who watch get the end of the machine within this time.
const TELL_LIMIT: Duration = Duration::from_secs(5);

/// What is wanted of the lifecycle.
pub enum Wish {
    /// An end.
    Stop {
        /// At once.
        force: bool,
    },
    /// Something that is either done or not.
    Change(Change, oneshot::Sender<Result<(), String>>),
    /// The guest's memory less what the balloon holds.
    Memory(oneshot::Sender<Option<u64>>),
}

/// What can be changed while the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Let the processors stand still.
    Pause,
    /// Let them go on.
    Resume,
    /// The guest is to have so many bytes of memory.
    Memory(u64),
    /// The data disk is to have so many bytes.
    Disk(u64),
}

/// What the parts of a host process share.
pub struct Shared {
    /// The machine's store.
    pub store: Store,
    /// The machine, as it was when the host process began.
    pub machine: Machine,
    /// To the lifecycle.
    pub wishes: mpsc::Sender<Wish>,
    status: watch::Sender<Status>,
    tunnel: watch::Sender<Option<Tunnel>>,
    api_connections: AtomicU64,
    ports: Mutex<BTreeSet<(String, std::net::SocketAddr)>>,
    last_use: Mutex<Instant>,
    /// As long as somebody holds the other end, somebody is to be told the end.
    telling: watch::Sender<()>,
}

impl Shared {
    /// The beginning: starting.
    pub fn new(store: Store, machine: Machine, wishes: mpsc::Sender<Wish>) -> Shared {
        let status = Status {
            name: machine.spec.name.clone(),
            state: State::Starting {
                stage: Stage::Image,
            },
            since: now_millis(),
            stages: Vec::new(),
            backend: machine.spec.backend,
            accelerator: None,
            warnings: Vec::new(),
            image: None,
            vm_pid: None,
            host_pid: std::process::id(),
            host: machine.paths.docker_host(),
        };
        Shared {
            store,
            machine,
            wishes,
            status: watch::Sender::new(status),
            tunnel: watch::Sender::new(None),
            api_connections: AtomicU64::new(0),
            ports: Mutex::default(),
            last_use: Mutex::new(Instant::now()),
            telling: watch::Sender::new(()),
        }
    }

    /// The status now and after each change.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The status now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Changes the state; only the lifecycle does.
    pub fn set(&self, state: State) {
        self.status.send_modify(|status| {
            debug_assert!(
                status.state.allows(&state) || status.state == state,
                "{} → {}",
                status.state.word(),
                state.word()
            );
            match &state {
                State::Failed { cause } => tracing::error!(%cause, "failed"),
                State::Starting { stage } => tracing::info!(%stage, "starting"),
                other => tracing::info!(state = other.word(), "state"),
            }
            if matches!(
                state,
                State::Starting {
                    stage: Stage::Image
                }
            ) {
                status.stages.clear();
            }
            status.since = now_millis();
            status.state = state;
        });
    }

    /// Notes how long a stage took.
    pub fn took(&self, stage: Stage, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.status
            .send_modify(|status| status.stages.push((stage, millis)));
    }

    /// Notes what is known of the virtual machine; none: it has gone.
    pub fn vm(&self, vm: Option<(&VmFacts, Option<u32>)>) {
        self.status.send_modify(|status| match vm {
            Some((facts, pid)) => {
                status.accelerator = Some(facts.accelerator.clone());
                status.warnings.clone_from(&facts.warnings);
                status.image.clone_from(&facts.image);
                status.vm_pid = pid;
            }
            None => status.vm_pid = None,
        });
    }

    /// Hands the session's tunnel to those who wait for it, or takes it away.
    pub fn set_tunnel(&self, tunnel: Option<Tunnel>) {
        self.tunnel.send_replace(tunnel);
    }

    /// The session's tunnel, if there is a session.
    pub fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel.borrow().clone()
    }

    /// Waits until the machine runs, waking it where it is paused, and returns its tunnel. The error says why that
    /// won't be.
    pub async fn ready(&self) -> Result<Tunnel, String> {
        self.used();
        let mut status = self.watch();
        loop {
            let state = status.borrow_and_update().state.clone();
            match state {
                State::Running => break,
                State::Paused => {
                    let (done, answer) = oneshot::channel();
                    let wish = Wish::Change(Change::Resume, done);
                    if self.wishes.send(wish).await.is_ok()
                        && let Ok(Err(why)) = answer.await
                    {
                        return Err(why);
                    }
                }
                State::Starting { .. } => {
                    // Each stage has a limit, so this ends.
                    if status.changed().await.is_err() {
                        return Err("the machine has ended".to_owned());
                    }
                }
                over => return Err(format!("the machine is {}", over.word())),
            }
        }
        let mut tunnel = self.tunnel.subscribe();
        let found = tokio::time::timeout(TUNNEL_LIMIT, tunnel.wait_for(Option::is_some)).await;
        match found {
            Ok(Ok(found)) => found.clone().ok_or_else(|| "no tunnel".to_owned()),
            _ => Err("the guest doesn't answer".to_owned()),
        }
    }

    /// Notes that somebody uses the machine.
    pub fn used(&self) {
        *unpoisoned(&self.last_use) = Instant::now();
    }

    /// For how long nobody has used it.
    pub fn unused_for(&self) -> Duration {
        unpoisoned(&self.last_use).elapsed()
    }

    /// Counts a connection to the API until dropped.
    pub fn connected(self: &Arc<Shared>) -> Connected {
        self.api_connections.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    /// Open connections to the API.
    pub fn api_connections(&self) -> u64 {
        self.api_connections.load(Ordering::Relaxed)
    }

    /// Notes a port that the host listens at until dropped.
    pub fn publish(self: &Arc<Shared>, protocol: &str, at: std::net::SocketAddr) -> Publishing {
        let port = (protocol.to_owned(), at);
        unpoisoned(&self.ports).insert(port.clone());
        Publishing {
            shared: self.clone(),
            port,
        }
    }

    /// The ports that the host listens at.
    pub fn ports(&self) -> Vec<Published> {
        unpoisoned(&self.ports)
            .iter()
            .map(|(protocol, at)| Published {
                protocol: protocol.clone(),
                at: *at,
            })
            .collect()
    }

    /// Somebody is to be told the end, until the token is dropped.
    pub fn tell(&self) -> watch::Receiver<()> {
        self.telling.subscribe()
    }

    /// Waits until all have been told, not forever.
    pub async fn told(&self) {
        let _ = tokio::time::timeout(TELL_LIMIT, self.telling.closed()).await;
    }

    /// A new run: how the last one ended is of no interest any more.
    pub fn forget_last(&self) {
        let _ = fs::remove_file(self.machine.paths.last_status());
    }

    /// Keeps how this run ended, for those who ask later.
    pub fn remember_last(&self) {
        let path = self.machine.paths.last_status();
        let written = serde_json::to_vec(&self.status())
            .map_err(std::io::Error::other)
            .and_then(|text| write_atomically(&path, &text));
        if let Err(error) = written {
            tracing::warn!(%error, "how the machine ended is not remembered");
        }
    }

    /// What nobody listens at any more.
    pub fn remove_sockets(&self) {
        let paths = &self.machine.paths;
        for socket in [paths.control_socket(), paths.api_socket()] {
            let _ = fs::remove_file(socket);
        }
    }
}

/// A connection to the API.
pub struct Connected(Arc<Shared>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.api_connections.fetch_sub(1, Ordering::Relaxed);
        self.0.used();
    }
}

/// A port that the host listens at.
pub struct Publishing {
    shared: Arc<Shared>,
    port: (String, std::net::SocketAddr),
}

impl Drop for Publishing {
    fn drop(&mut self) {
        unpoisoned(&self.shared.ports).remove(&self.port);
    }
}

/// Nothing that panics leaves these half changed.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds after 1970.
fn now_millis() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
