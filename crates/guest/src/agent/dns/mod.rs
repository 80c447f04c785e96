//! Names, asked of the host: a resolver on an address of the guest's loopback (RFC 1035, over UDP
//! and TCP), each question of which goes through a `Resolve` stream.

mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gantry_tunnel::datagram::{Reader, Writer};
use gantry_tunnel::resolve::{PATIENCE, failure};
use gantry_tunnel::{Purpose, Tunnel};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Session;

/// Questions at once; a further one waits in the socket, where it is lost if many do.
const AT_ONCE: usize = 256;

/// Answers at `at` from now on.
pub async fn listen(at: SocketAddr, session: Session) -> io::Result<()> {
    let asker = Asker {
        session,
        room: Arc::new(Semaphore::new(AT_ONCE)),
    };
    let socket = UdpSocket::bind(at).await?;
    let listener = TcpListener::bind(at).await?;
    tokio::spawn(udp::serve(socket, asker.clone()));
    tokio::spawn(tcp::serve(listener, asker));
    Ok(())
}

/// Who asks the host.
#[derive(Debug, Clone)]
struct Asker {
    session: Session,
    room: Arc<Semaphore>,
}

impl Asker {
    /// The host's answer; that it did not work (SERVFAIL) where there is none; nothing to what is no question.
    async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        let tunnel = self.session.borrow().clone();
        if let Some(tunnel) = tunnel
            && let Ok(Ok(Some(answer))) = timeout(PATIENCE, through(&tunnel, question)).await
        {
            return Some(answer);
        }
        failure(question)
    }
}

async fn through(tunnel: &Tunnel, question: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let stream = tunnel
        .open(&Purpose::Resolve)
        .await
        .map_err(io::Error::other)?;
    let (read, mut write) = tokio::io::split(stream);
    Writer::new(&mut write).send(question).await?;
    write.shutdown().await?;
    let mut reader = Reader::new(read);
    let answer = reader.next().await?.map(<[u8]>::to_vec);
    // Ends well, so that it needn't be reset.
    reader.next().await?;
    Ok(answer)
}
