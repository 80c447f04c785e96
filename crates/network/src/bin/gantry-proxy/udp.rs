//! UDP: a socket to the container for each client, so that answers find their way back.
//!
//! A client is forgotten when nothing went either way for a while; the number of clients is bounded, and the one that
//! was silent the longest gives way, so that a flood of forged senders can't use up the machine.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use gantry_network::handshake::UdpLimits;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, coop, spawn_local};
use tokio::time::Instant;

use crate::sys;

/// Largest datagram.
const DATAGRAM: usize = 64 * 1024;

/// Who sent it, and to which of the host's addresses: answers must come from there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Client {
    address: SocketAddr,
    via: Option<IpAddr>,
}

thread_local! {
    /// One buffer for all sockets.
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAM].into_boxed_slice());
}

struct Session {
    /// Owned by the task that carries the answers: gone when that ends.
    socket: Weak<UdpSocket>,
    used: Rc<Cell<Instant>>,
    answers: AbortHandle,
}

impl Session {
    /// The socket, if the session goes on; it is in use from now.
    fn touch(&self) -> Option<Rc<UdpSocket>> {
        let socket = self.socket.upgrade()?;
        self.used.set(Instant::now());
        Some(socket)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

/// Carries datagrams for ever; `limit` is shared by all of the process's sockets.
pub(crate) async fn serve(
    listener: UdpSocket,
    target: SocketAddr,
    limits: UdpLimits,
    limit: Arc<Semaphore>,
) {
    let listener = Rc::new(listener);
    let mut sessions: HashMap<Client, Session> = HashMap::new();
    loop {
        if listener.readable().await.is_err() {
            return;
        }
        if let Some((client, datagram)) = pass_on(&listener, &sessions) {
            sessions.retain(|_, session| session.socket.strong_count() > 0);
            if sessions.len() >= limits.sessions || limit.available_permits() == 0 {
                drop_stalest(&mut sessions);
            }
            // One that can't be had loses a datagram, as datagrams are.
            if let Ok((session, socket)) = open(&listener, client, target, limits, &limit).await {
                send(&socket, &datagram);
                sessions.insert(client, session);
            }
        }
        coop::consume_budget().await;
    }
}

/// Takes one datagram from the listener to its session; one of a new client is given back.
fn pass_on(listener: &UdpSocket, sessions: &HashMap<Client, Session>) -> Option<(Client, Vec<u8>)> {
    SHARED.with_borrow_mut(|buffer| {
        let received = listener.try_io(Interest::READABLE, || sys::receive(listener, buffer));
        // An error is an ICMP answer to something sent earlier, or nothing to read.
        let (length, address, via) = received.ok()?;
        let client = Client { address, via };
        match sessions.get(&client).and_then(Session::touch) {
            Some(socket) => {
                send(&socket, &buffer[..length]);
                None
            }
            None => Some((client, buffer[..length].to_vec())),
        }
    })
}

/// Not by the runtime, which does not know yet that a new socket takes datagrams. What is not taken is lost.
fn send(socket: &UdpSocket, datagram: &[u8]) {
    let _ = rustix::net::send(socket, datagram, SendFlags::DONTWAIT);
}

fn drop_stalest(sessions: &mut HashMap<Client, Session>) {
    let stalest = sessions
        .iter()
        .min_by_key(|(_, session)| session.used.get())
        .map(|(client, _)| *client);
    if let Some(client) = stalest {
        sessions.remove(&client);
    }
}

async fn open(
    listener: &Rc<UdpSocket>,
    client: Client,
    target: SocketAddr,
    limits: UdpLimits,
    limit: &Arc<Semaphore>,
) -> io::Result<(Session, Rc<UdpSocket>)> {
    let place = Arc::clone(limit)
        .try_acquire_owned()
        .map_err(io::Error::other)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(target).await?;
    let socket = Rc::new(socket);
    let used = Rc::new(Cell::new(Instant::now()));
    let (listener, from, touched) = (Rc::clone(listener), Rc::clone(&socket), Rc::clone(&used));
    let answers = spawn_local(async move {
        carry_answers(&from, &listener, client, &touched, limits).await;
        drop(place);
    });
    let session = Session {
        socket: Rc::downgrade(&socket),
        used,
        answers: answers.abort_handle(),
    };
    Ok((session, socket))
}

/// Carries what the container sends back to the client, until both have been silent for long enough.
async fn carry_answers(
    from: &UdpSocket,
    listener: &UdpSocket,
    client: Client,
    used: &Cell<Instant>,
    limits: UdpLimits,
) {
    loop {
        tokio::select! {
            ready = from.readable() => if ready.is_err() { return },
            () = tokio::time::sleep_until(used.get() + limits.idle) => {
                if used.get().elapsed() >= limits.idle {
                    return;
                }
                continue;
            }
        }
        let length = SHARED.with_borrow_mut(|buffer| {
            // An error is "port unreachable" for something sent earlier: the container may listen later.
            let length = from.try_recv(buffer).ok()?;
            let _ = sys::send(listener, &buffer[..length], client.address, client.via);
            Some(length)
        });
        if length.is_some() {
            used.set(Instant::now());
        }
        coop::consume_budget().await;
    }
}
