//! Connections of the host's to something in the guest.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use gantry_tunnel::datagram::{MAX_DATAGRAM, Reader, Writer};
use gantry_tunnel::{Answer, Refusal, RefusalKind, Request, copy_both};
use tokio::net::{TcpStream, UdpSocket, UnixStream};

/// To the engine's API.
pub async fn api(request: Request, socket: &Path) -> io::Result<()> {
    match UnixStream::connect(socket).await {
        Ok(mut engine) => {
            let mut stream = request.accept(Answer::Ready).await?;
            copy_both(&mut stream, &mut engine).await.map(drop)
        }
        Err(error) => {
            let why = format!("the engine doesn't answer at {}: {error}", socket.display());
            request
                .refuse(Refusal::new(RefusalKind::Unreachable, why))
                .await
        }
    }
}

/// To a TCP port of the guest's loopback.
pub async fn tcp(mut request: Request, to: SocketAddr) -> io::Result<()> {
    if let Some(refusal) = refusal_of(to) {
        return request.refuse(refusal).await;
    }
    let connected = tokio::select! {
        connected = TcpStream::connect(to) => connected,
        // Nobody waits for it any more.
        () = request.withdrawn() => return Ok(()),
    };
    match connected {
        Ok(mut connection) => {
            // What is in the tunnel was gathered before; here it isn't to wait again.
            connection.set_nodelay(true)?;
            let mut stream = request.accept(Answer::Ready).await?;
            copy_both(&mut stream, &mut connection).await.map(drop)
        }
        Err(error) => request.refuse(unreachable(to, &error)).await,
    }
}

/// To a UDP port of the guest's loopback. The host says when it is over.
pub async fn udp(request: Request, to: SocketAddr) -> io::Result<()> {
    if let Some(refusal) = refusal_of(to) {
        return request.refuse(refusal).await;
    }
    let socket = match connect_udp(to).await {
        Ok(socket) => socket,
        Err(error) => return request.refuse(unreachable(to, &error)).await,
    };
    let stream = request.accept(Answer::Ready).await?;
    let (read, write) = tokio::io::split(stream);
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    let out = async {
        while let Some(datagram) = reader.next().await? {
            // That nobody listens there just now is no reason to give up, nor is a full buffer.
            let _ = socket.send(datagram).await;
        }
        Ok::<_, io::Error>(())
    };
    let back = async {
        let mut datagram = vec![0; MAX_DATAGRAM];
        loop {
            // A refusal by the kernel is told here; the next datagram may find somebody.
            if let Ok(length) = socket.recv(&mut datagram).await {
                writer.send(&datagram[..length]).await?;
            }
        }
    };
    tokio::select! {
        ended = out => ended?,
        ended = back => return ended,
    }
    writer.shutdown().await
}

async fn connect_udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let from: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = UdpSocket::bind((from, 0)).await?;
    socket.connect(to).await?;
    Ok(socket)
}

/// The host reaches published ports, which are on the loopback. Containers and what is behind
/// the guest's network card are none of its business.
fn refusal_of(to: SocketAddr) -> Option<Refusal> {
    let is_here = to.ip().to_canonical().is_loopback();
    (!is_here).then(|| {
        let why = format!("{to} is not an address of the guest's loopback");
        Refusal::new(RefusalKind::Denied, why)
    })
}

fn unreachable(to: SocketAddr, error: &io::Error) -> Refusal {
    Refusal::new(
        RefusalKind::Unreachable,
        format!("nobody answers at {to} in the guest: {error}"),
    )
}
