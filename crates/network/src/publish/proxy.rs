//! One `gantry-proxy` process, seen from the engine.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, pidfd_send_signal};
use tokio::process::{Child, Command};

use super::{Held, Place, record};
use crate::handshake::{self, Answer, MAX_DESCRIPTORS, Order, ProxiedPort, UdpLimits};
use crate::kernel::watch;
use crate::{EndpointId, NetworkError, PortBinding};

/// A proxy that has not said it is ready after this long will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a followed process was still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// It is.
    Alive,
    /// It ended before it could be followed.
    Gone,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    record: PathBuf,
    /// Where it was started by this engine: the connection to it, and the process, to be reaped.
    ours: Option<(OwnedFd, Child)>,
}

impl Proxy {
    /// Starts a proxy that serves `held` for the container at `target`; `table` has its redirects. Blocking.
    pub(crate) fn start(
        program: &Path,
        place: &Place,
        id: &EndpointId,
        record: &Path,
        table: &str,
        target: Ipv4Addr,
        held: &[Held],
    ) -> Result<Self, NetworkError> {
        let failed = |reason: String| NetworkError::Proxy {
            path: program.to_owned(),
            reason,
        };
        let start = || -> Result<Self, Failed> {
            let file = record::create(record)?;
            let flags = SocketFlags::CLOEXEC;
            let (ours, theirs) =
                socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE))?;
            set_socket_timeout(&ours, Timeout::Send, Some(PATIENCE))?;
            let child = Command::new(program)
                .arg(id.as_str()) // for those who look at `ps`
                .env_clear()
                .current_dir("/")
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(false)
                .spawn()?;
            let pid = child
                .id()
                .and_then(|pid| i32::try_from(pid).ok())
                .unwrap_or_default();
            let ports = held.iter().map(|held| held.binding).collect();
            record::write(&file, &record::Record { pid, target, ports })?;
            let sockets: Vec<_> = held.iter().flat_map(|held| sockets(held, target)).collect();
            for part in sockets.chunks(MAX_DESCRIPTORS) {
                let (ports, sockets): (Vec<_>, Vec<_>) = part.iter().copied().unzip();
                handshake::send(&ours, &Order::Listen(ports), &sockets)?;
            }
            if let Place::Outside(agent) = place {
                let claims: Vec<_> = held
                    .iter()
                    .filter_map(|held| held.claimed.as_ref())
                    .map(|claimed| (claimed.claim, claimed.connection.as_fd()))
                    .collect();
                for part in claims.chunks(MAX_DESCRIPTORS) {
                    let (claims, connections) = part.iter().copied().unzip();
                    let agent = agent.path().clone();
                    let connections: Vec<_> = connections;
                    handshake::send(&ours, &Order::Keep { agent, claims }, &connections)?;
                }
            }
            let begin = Order::Begin {
                udp: UdpLimits::default(),
                table: table.to_owned(),
            };
            handshake::send(&ours, &begin, &[file.as_fd()])?;
            ready(&ours)?;
            Ok(Self {
                record: record.to_owned(),
                ours: Some((ours, child)),
            })
        };
        start().map_err(|error| {
            // Without the connection, which is gone by now, the process ends by itself.
            let _ = fs::remove_file(record);
            failed(error.0)
        })
    }

    /// Lets the proxy live until the process `pid` ends, whatever becomes of the engine. Blocking.
    pub(crate) fn follow(&mut self, program: &Path, pid: i32) -> Result<Followed, NetworkError> {
        // One found after a restart follows already.
        let Some((connection, _)) = &self.ours else {
            return Ok(Followed::Alive);
        };
        let follow = || -> Result<Followed, Failed> {
            let process = match record::open_process(pid) {
                Err(Errno::SRCH) => return Ok(Followed::Gone),
                other => other?,
            };
            record::write_follows(&self.record, pid)?;
            handshake::send(connection, &Order::Follow, &[process.as_fd()])?;
            ready(connection)?;
            Ok(Followed::Alive)
        };
        follow().map_err(|error| NetworkError::Proxy {
            path: program.to_owned(),
            reason: format!("follow process {pid}: {}", error.0),
        })
    }

    /// The living proxy of `record`, if it serves just these ports and follows just this process. Blocking.
    pub(crate) fn adopt(
        record: &Path,
        target: Ipv4Addr,
        ports: &[PortBinding],
        pid: i32,
    ) -> Option<Self> {
        let found = record::find(record).ok()??;
        let mut wanted = ports.to_vec();
        wanted.sort();
        let same = found.follows == Some(pid)
            && found.record.target == target
            && found.record.ports == wanted;
        same.then(|| Self {
            record: record.to_owned(),
            ours: None,
        })
    }

    /// Ends the proxy; its ports are free when this returns.
    pub(crate) async fn stop(self) -> Result<(), NetworkError> {
        if let Some((_connection, mut child)) = self.ours {
            // By the process itself, whatever has become of its record. An error means that it has ended.
            let _ = child.kill().await;
        }
        stop_recorded(&self.record).await
    }
}

/// Ends the proxy of a record, if it lives, and removes the record.
pub(crate) async fn stop_recorded(path: &Path) -> Result<(), NetworkError> {
    let failed = |source| NetworkError::File {
        what: "end the port proxy of",
        path: path.to_owned(),
        source,
    };
    if let Some(found) = record::find(path).map_err(failed)? {
        match pidfd_send_signal(&found.pidfd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        // Readable when the process has ended.
        let pidfd = watch(found.pidfd).map_err(failed)?;
        let _ended = pidfd.readable().await.map_err(failed)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// What is to be listened on for a held port, and where it leads.
fn sockets(held: &Held, target: Ipv4Addr) -> impl Iterator<Item = (ProxiedPort, BorrowedFd<'_>)> {
    let port = ProxiedPort {
        protocol: held.binding.protocol,
        target: SocketAddrV4::new(target, held.binding.container_port),
    };
    let inside = held
        .claimed
        .as_ref()
        .and_then(|claimed| claimed.inside.as_ref());
    let sockets = std::iter::once(&held.socket).chain(inside);
    sockets.map(move |socket| (port, socket.as_fd()))
}

fn ready(connection: &OwnedFd) -> Result<(), Failed> {
    let answer = match handshake::receive(connection) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(Failed(format!("no answer in {PATIENCE:?}")));
        }
        other => other?,
    };
    match answer {
        Some((Answer::Ready, _)) => Ok(()),
        Some((Answer::Failed(reason), _)) => Err(Failed(reason)),
        None => Err(Failed("it ended before it was ready".into())),
    }
}

/// Words for [`NetworkError::Proxy`].
struct Failed(String);

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}
