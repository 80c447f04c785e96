//! TCP: a connection to the container for each one that comes in.
//!
//! Each direction ends by itself (half-close): `shutdown` on one side is passed on, and the other direction goes on.
//! An abort on one side aborts the other.

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
    if tokio::try_join!(up, down).is_err() {
        abort(&client);
        abort(&container);
    }
}

/// Lets the close that follows be a reset.
fn abort(end: &TcpStream) {
    let _ = set_socket_linger(end, Some(Duration::ZERO));
}

/// Carries bytes one way until their end, and passes the end on.
async fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        from.readable().await?;
        match transfer(from, to)? {
            Transfer::Nothing | Transfer::All => {}
            Transfer::Rest(bytes) => write_all(to, &bytes).await?,
            Transfer::End => {
                return match rustix::net::shutdown(to, Shutdown::Write) {
                    // Gone already, which the other direction finds out.
                    Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
                    Err(errno) => Err(errno.into()),
                };
            }
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
            other => other?,
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
