//! Ports of the host in whose machine the engine runs: asked for by a socket, one connection a port
//! ([`gantry_claim`]).

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gantry_claim::{Answer, Claim, LONGEST_LINE, Refusal, RefusalKind};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::bind::{Held, bind_here};
use crate::{NetworkError, PortBinding, Protocol};

/// A host that hasn't answered after this long won't.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the host may take to learn that a port was given back.
const GRACE: Duration = Duration::from_secs(5);
/// How long the agent may be away, or without its host.
const ABSENCE: Duration = Duration::from_secs(10);
/// Between two tries for what nobody tells of: a port that is being given back, an agent that is there again.
const PAUSE: Duration = Duration::from_millis(25);

/// Who has the host's ports.
#[derive(Debug)]
pub(crate) struct Agent {
    path: PathBuf,
    /// The bridge's address, by which containers call what their sisters publish.
    gateway: Ipv4Addr,
    /// Ports given back a moment ago. A connection's end and the next one's begin reach the host in any order.
    released: Mutex<HashMap<(Protocol, u16), Instant>>,
}

/// By what a port of the host is ours.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// To be made again where the agent is another one; with the host's own choice of a port.
    pub(super) claim: Claim,
    /// The claim lives as long as this.
    pub(super) connection: OwnedFd,
    /// The same port on the bridge's address, for containers.
    pub(super) inside: Option<OwnedFd>,
}

impl Agent {
    pub(crate) fn new(path: PathBuf, gateway: Ipv4Addr) -> Self {
        Self {
            path,
            gateway,
            released: Mutex::default(),
        }
    }

    /// The agent's socket.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Claims one port; port 0 is the host's choice. Blocking.
    pub(super) fn hold(
        &self,
        container_port: u16,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<Held, NetworkError> {
        let (socket, guest) = bind_here(protocol, (Ipv4Addr::LOCALHOST, 0).into())?;
        let claim = Claim {
            protocol,
            host: address,
            guest,
        };
        let (connection, host) = self.claim(&claim)?;
        let binding = PortBinding {
            container_port,
            protocol,
            host_ip: host.ip(),
            host_port: host.port(),
        };
        let claimed = Claimed {
            claim: Claim { host, ..claim },
            connection,
            inside: self.inside(&binding),
        };
        Ok(Held {
            binding,
            socket,
            claimed: Some(claimed),
        })
    }

    /// Remembers that ports are being given back.
    pub(super) fn let_go<'a>(&self, bindings: impl IntoIterator<Item = &'a PortBinding>) {
        let now = Instant::now();
        let mut released = self.released();
        released.retain(|_, since| now.duration_since(*since) < GRACE);
        let ports = bindings.into_iter();
        released.extend(ports.map(|port| ((port.protocol, port.host_port), now)));
    }

    /// Where the host would listen on its bridges' addresses as well, containers find the port on theirs. Something
    /// else of the guest's that is there has it rightfully.
    fn inside(&self, binding: &PortBinding) -> Option<OwnedFd> {
        let everywhere = binding.host_ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = (self.gateway, binding.host_port).into();
        everywhere
            .then(|| bind_here(binding.protocol, address).ok())?
            .map(|(socket, _)| socket)
    }

    fn claim(&self, claim: &Claim) -> Result<(OwnedFd, SocketAddr), NetworkError> {
        let (protocol, address) = (claim.protocol, claim.host);
        let begun = Instant::now();
        loop {
            let unasked = match self.ask(claim) {
                Ok((connection, Answer::Listening(at))) if at.port() != 0 => {
                    return Ok((connection, at));
                }
                // An agent that isn't connected to the host yet can promise any port but one of the host's choice.
                Ok((_, Answer::Listening(_))) => "the host has not said which port".to_owned(),
                Ok((_, Answer::Refused(refusal))) => {
                    let is_taken = refusal.kind == RefusalKind::PortTaken;
                    if !(is_taken && self.is_being_released(protocol, address.port())) {
                        return Err(refused(protocol, address, refusal));
                    }
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(error) if is_absent(&error) => error.to_string(),
                Err(error) => return Err(self.failed(claim, error.to_string())),
            };
            // As the machine starts, or starts its agent again.
            if begun.elapsed() > ABSENCE {
                return Err(self.failed(claim, unasked));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn failed(&self, claim: &Claim, reason: String) -> NetworkError {
        NetworkError::HostAgent {
            address: claim.host,
            protocol: claim.protocol,
            path: self.path.clone(),
            reason,
        }
    }

    fn is_being_released(&self, protocol: Protocol, port: u16) -> bool {
        let released = self.released();
        let since = released.get(&(protocol, port));
        since.is_some_and(|since| since.elapsed() < GRACE)
    }

    fn released(&self) -> MutexGuard<'_, HashMap<(Protocol, u16), Instant>> {
        // Nothing that holds the lock can panic half-way through a change.
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, claim: &Claim) -> io::Result<(OwnedFd, Answer)> {
        let deadline = Instant::now() + PATIENCE;
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // For the connection too, where too many wait for one.
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        connect(&socket, &SocketAddrUnix::new(&self.path)?)?;
        let mut stream = UnixStream::from(socket);
        let mut line = serde_json::to_vec(claim)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let answer = answer(&mut stream, deadline)?;
        Ok((stream.into(), answer))
    }
}

/// Whether nobody listens, as opposed to one who does and is at a loss.
fn is_absent(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused
}

/// Reads one line.
fn answer(stream: &mut UnixStream, deadline: Instant) -> io::Result<Answer> {
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer in {PATIENCE:?}"),
        )
    };
    let mut line = Vec::new();
    let mut part = [0; 512];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left))?;
        let read = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&part[..read]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            return Ok(serde_json::from_slice(&line[..end])?);
        }
        if line.len() > LONGEST_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the answer is too long",
            ));
        }
    }
}

/// In the words that a port of this system would be refused by.
fn refused(protocol: Protocol, address: SocketAddr, refusal: Refusal) -> NetworkError {
    let kind = match refusal.kind {
        RefusalKind::PortTaken => return NetworkError::PortTaken { address, protocol },
        RefusalKind::AddressUnknown => io::ErrorKind::AddrNotAvailable,
        RefusalKind::Denied => io::ErrorKind::PermissionDenied,
        RefusalKind::Unsupported => io::ErrorKind::Unsupported,
        RefusalKind::Unreachable | RefusalKind::Failed => io::ErrorKind::Other,
    };
    NetworkError::Bind {
        address,
        protocol,
        source: io::Error::new(kind, refusal.message),
    }
}
