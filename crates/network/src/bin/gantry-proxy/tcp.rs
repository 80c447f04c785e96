//! TCP: a connection to the container for each one that comes in.
//!
//! Each direction ends by itself (half-close): `shutdown` on one side is passed on, and the other direction goes on.
//! An abort on one side aborts the other; but who takes no more may have said why, and that is still brought.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{coop, spawn_local};

/// How long who sends to nobody may take to read the last words, and to see that it is over.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// One buffer for all connections: memory is spent only where a receiver is slower than its sender.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Accepts connections for ever; `limit` is shared by all of the process's listeners.
pub(crate) async fn serve(listener: TcpListener, target: SocketAddr, limit: Arc<Semaphore>) {
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) if is_the_clients(&error) => continue,
            Err(_) => {
                // The machine is out of descriptors or memory, and the kernel doesn't tell when it has some again.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&limit).acquire_owned().await else {
            return;
        };
        spawn_local(async move {
            relay(client, target).await;
            drop(place);
        });
    }
}

/// It went away before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn relay(client: TcpStream, target: SocketAddr) {
    let Ok(container) = TcpStream::connect(target).await else {
        // As the container's own kernel would have said it.
        abort(&client);
        return;
    };
    for end in [&client, &container] {
        // A peer that vanished without a word must not hold its place for ever.
        let _ = set_socket_keepalive(end, true);
        let _ = end.set_nodelay(true);
    }
    let (up, down) = (copy(&client, &container), copy(&container, &client));
    tokio::pin!(up, down);
    let ended = tokio::select! {
        end = &mut up => finish(end, &client, down).await,
        end = &mut down => finish(end, &container, up).await,
    };
    if ended.is_err() {
        abort(&client);
        abort(&container);
    }
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its sender was done, and its receiver was told.
    PassedOn,
    /// Its receiver takes no more.
    Refused,
}

/// The direction that came from `from` has ended: waits for the other.
async fn finish(
    end: io::Result<End>,
    from: &TcpStream,
    other: impl Future<Output = io::Result<End>>,
) -> io::Result<()> {
    if end? == End::PassedOn {
        return match other.await? {
            End::PassedOn => Ok(()),
            End::Refused => Err(io::ErrorKind::BrokenPipe.into()),
        };
    }
    // A server that has seen enough answers and closes while its client still sends. What the client sends is let go
    // of: left unread, it would make the close a reset, which may overtake the answer.
    let read_on = async {
        discard(from).await?;
        std::future::pending().await
    };
    tokio::select! {
        // However it ends, all that was said has been brought.
        _ = other => {}
        gone = read_on => return gone,
    }
    let _ = rustix::net::shutdown(from, Shutdown::Write);
    tokio::time::timeout(LAST_WORDS, discard(from)).await?
}

/// Reads and forgets, to the end.
async fn discard(from: &TcpStream) -> io::Result<()> {
    loop {
        from.readable().await?;
        let read = SHARED.with_borrow_mut(|buffer| from.try_read(buffer));
        match read {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => coop::consume_budget().await,
        }
    }
}

/// Lets the close that follows be a reset.
fn abort(end: &TcpStream) {
    let _ = set_socket_linger(end, Some(Duration::ZERO));
}

/// Carries bytes one way until their end, and passes the end on. An error is the sender's.
async fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<End> {
    loop {
        from.readable().await?;
        let rest = match transfer(from, to)? {
            Transfer::Nothing | Transfer::All => Vec::new(),
            Transfer::Rest(bytes) => bytes,
            Transfer::Refused => return Ok(End::Refused),
            Transfer::End => {
                return match rustix::net::shutdown(to, Shutdown::Write) {
                    // Gone already, which the other direction finds out.
                    Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(End::PassedOn),
                    Err(errno) => Err(errno.into()),
                };
            }
        };
        if write_all(to, &rest).await.is_err() {
            return Ok(End::Refused);
        }
        // A connection that always has bytes must not keep the thread from the others.
        coop::consume_budget().await;
    }
}

enum Transfer {
    /// There was nothing to read yet.
    Nothing,
    /// What was read has been written.
    All,
    /// What could not be written yet.
    Rest(Vec<u8>),
    /// What was read can't be written any more.
    Refused,
    /// The sender is done.
    End,
}

fn transfer(from: &TcpStream, to: &TcpStream) -> io::Result<Transfer> {
    SHARED.with_borrow_mut(|buffer| {
        let read = match from.try_read(buffer) {
            Ok(0) => return Ok(Transfer::End),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Transfer::Nothing);
            }
            other => other?,
        };
        let written = match to.try_write(&buffer[..read]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Ok(Transfer::Refused),
            Ok(written) => written,
        };
        if written == read {
            Ok(Transfer::All)
        } else {
            Ok(Transfer::Rest(buffer[written..read].to_vec()))
        }
    })
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
