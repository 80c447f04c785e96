//! A peer of the claims' protocol: what the host of a machine is to the engine in it. It really listens, in a namespace
//! that stands for the host, and really leads what comes into this one.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use gantry_claim::{Answer, Claim, Protocol, Refusal, RefusalKind};
use rustix::event::{PollFd, PollFlags, poll};

use crate::host::Namespace;

/// The host's end of claims. It ends when it is dropped, and its claims with it.
pub(crate) struct Agent {
    path: PathBuf,
    over: Arc<AtomicBool>,
    claims: Arc<Mutex<Vec<UnixStream>>>,
}

impl Agent {
    /// Serves `path` from this thread's namespace; ports are those of `host`.
    pub(crate) fn start(path: &Path, host: &Arc<Namespace>) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let agent = Self {
            path: path.to_owned(),
            over: Arc::default(),
            claims: Arc::default(),
        };
        let (over, claims, host) = (
            Arc::clone(&agent.over),
            Arc::clone(&agent.claims),
            Arc::clone(host),
        );
        thread::spawn(move || {
            for connection in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (connection, host) = (connection.unwrap(), Arc::clone(&host));
                claims.lock().unwrap().push(connection.try_clone().unwrap());
                thread::spawn(move || serve(connection, &host));
            }
        });
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        for claim in self.claims.lock().unwrap().drain(..) {
            let _ = claim.shutdown(Shutdown::Both);
        }
    }
}

/// What is listened on.
enum Port {
    Tcp(TcpListener),
    Udp(Arc<UdpSocket>),
}

fn serve(mut connection: UnixStream, host: &Namespace) {
    let mut line = String::new();
    BufReader::new(&connection).read_line(&mut line).unwrap();
    let Ok(claim) = serde_json::from_str::<Claim>(&line) else {
        return;
    };
    assert!(claim.guest.ip().is_loopback());
    let port = host.within(|| -> io::Result<_> {
        Ok(match claim.protocol {
            Protocol::Tcp => {
                let listener = listen(claim.host)?;
                let at = listener.local_addr()?;
                (Port::Tcp(listener), at)
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(claim.host)?;
                let at = socket.local_addr()?;
                (Port::Udp(Arc::new(socket)), at)
            }
        })
    });
    let (answer, port) = match port {
        Ok((port, at)) => (Answer::Listening(at), Some(port)),
        Err(error) => {
            let kind = match error.kind() {
                io::ErrorKind::AddrInUse => RefusalKind::PortTaken,
                io::ErrorKind::AddrNotAvailable => RefusalKind::AddressUnknown,
                _ => RefusalKind::Failed,
            };
            let message = format!("the host says: {error}");
            (Answer::Refused(Refusal { kind, message }), None)
        }
    };
    let mut line = serde_json::to_vec(&answer).unwrap();
    line.push(b'\n');
    if connection.write_all(&line).is_ok()
        && let Some(port) = port
    {
        lead(&port, claim.guest, &connection);
    }
}

/// As hosts do: `[::]` is IPv6 only, and is nowhere where there is no IPv6.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if address.is_ipv6() {
        UdpSocket::bind("[::1]:0")?;
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, 16)?;
    Ok(socket.into())
}

/// Leads what comes into the guest until the claim's connection ends.
fn lead(port: &Port, guest: SocketAddr, claim: &UnixStream) {
    let mut clients = HashMap::new();
    loop {
        let arrives = match port {
            Port::Tcp(listener) => PollFd::new(listener, PollFlags::IN),
            Port::Udp(socket) => PollFd::new(socket, PollFlags::IN),
        };
        let mut ready = [arrives, PollFd::new(claim, PollFlags::IN)];
        poll(&mut ready, None).unwrap();
        if !ready[1].revents().is_empty() {
            return;
        }
        match port {
            Port::Tcp(listener) => {
                let (outer, _) = listener.accept().unwrap();
                if let Ok(inner) = TcpStream::connect(guest) {
                    copy(&outer, &inner);
                    copy(&inner, &outer);
                }
            }
            Port::Udp(socket) => {
                let mut bytes = [0; 2048];
                let (length, client) = socket.recv_from(&mut bytes).unwrap();
                let inner = clients.entry(client).or_insert_with(|| {
                    let inner = UdpSocket::bind("127.0.0.1:0").unwrap();
                    inner.connect(guest).unwrap();
                    let (from, to) = (inner.try_clone().unwrap(), Arc::clone(socket));
                    thread::spawn(move || {
                        let mut bytes = [0; 2048];
                        while let Ok(length) = from.recv(&mut bytes) {
                            to.send_to(&bytes[..length], client).unwrap();
                        }
                    });
                    inner
                });
                inner.send(&bytes[..length]).unwrap();
            }
        }
    }
}

fn copy(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
