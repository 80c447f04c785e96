//! Ports of the host that lead to containers: a listener for each claim of the guest, for as long as the claim lives.

mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gantry_tunnel::{Answer, Claim, Protocol, Refusal, RefusalKind, Request, Stream};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;

use super::shared::Shared;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens for `claim` until the guest lets go of it.
pub async fn listen(shared: Arc<Shared>, request: Request, claim: Claim) -> io::Result<()> {
    let bound = bind(claim.protocol, claim.host).and_then(|socket| {
        let at = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("no address of the internet"))?;
        Ok((Bound::new(claim.protocol, socket)?, at))
    });
    let (bound, at) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            let why = refusal(claim.host, &error);
            tracing::info!(protocol = %claim.protocol, host = %claim.host, %error, "port refused");
            return request.refuse(why).await;
        }
    };
    let stream = request.accept(Answer::Listening { at }).await?;
    tracing::info!(protocol = %claim.protocol, %at, guest = %claim.guest, "port published");
    let published = shared.publish(&claim.protocol.to_string(), at);
    tokio::select! {
        () = released(stream) => {}
        () = bound.serve(shared, claim.guest) => {}
    }
    drop(published);
    tracing::info!(protocol = %claim.protocol, %at, "port given back");
    Ok(())
}

/// Waits until the guest lets go. It says nothing meanwhile.
async fn released(mut stream: Stream) {
    let mut nothing = [0; 64];
    while let Ok(1..) = stream.read(&mut nothing).await {}
}

enum Bound {
    Tcp(tokio::net::TcpListener),
    Udp(tokio::net::UdpSocket),
}

impl Bound {
    fn new(protocol: Protocol, socket: Socket) -> io::Result<Bound> {
        Ok(match protocol {
            Protocol::Tcp => Bound::Tcp(tokio::net::TcpListener::from_std(socket.into())?),
            Protocol::Udp => Bound::Udp(tokio::net::UdpSocket::from_std(socket.into())?),
        })
    }

    async fn serve(self, shared: Arc<Shared>, guest: SocketAddr) {
        match self {
            Bound::Tcp(listener) => tcp::serve(shared, listener, guest).await,
            Bound::Udp(socket) => udp::serve(shared, socket, guest).await,
        }
    }
}

fn bind(protocol: Protocol, at: SocketAddr) -> io::Result<Socket> {
    let kind = match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    socket.set_nonblocking(true)?;
    if at.is_ipv6() {
        // Docker publishes at both families by two claims.
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier listener that linger are in nobody's way. Windows means something else by it.
    #[cfg(unix)]
    if protocol == Protocol::Tcp {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&at.into())?;
    if protocol == Protocol::Tcp {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// In the words that the engine uses where it listens itself.
fn refusal(at: SocketAddr, error: &io::Error) -> Refusal {
    let (ip, port) = (at.ip(), at.port());
    match error.kind() {
        io::ErrorKind::AddrInUse => Refusal::new(
            RefusalKind::PortTaken,
            format!("Bind for {ip}:{port} failed: port is already allocated"),
        ),
        io::ErrorKind::AddrNotAvailable => Refusal::new(
            RefusalKind::AddressUnknown,
            format!("Bind for {ip}:{port} failed: this computer has no such address"),
        ),
        io::ErrorKind::PermissionDenied if port < 1024 => Refusal::new(
            RefusalKind::Denied,
            format!(
                "Bind for {ip}:{port} failed: your user may not listen at ports below 1024. Publish a higher one{}",
                if cfg!(target_os = "linux") {
                    ", or allow it: `sudo sysctl net.ipv4.ip_unprivileged_port_start=0`"
                } else {
                    ""
                }
            ),
        ),
        io::ErrorKind::PermissionDenied => Refusal::new(
            RefusalKind::Denied,
            format!("Bind for {ip}:{port} failed: permission denied"),
        ),
        _ => Refusal::new(
            RefusalKind::Failed,
            format!("Bind for {ip}:{port} failed: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_in_the_engines_words() {
        let held = bind(Protocol::Tcp, "127.0.0.1:0".parse().unwrap()).unwrap();
        let at = held.local_addr().unwrap().as_socket().unwrap();
        let error = bind(Protocol::Tcp, at).unwrap_err();
        let why = refusal(at, &error);
        assert_eq!(why.kind, RefusalKind::PortTaken);
        assert_eq!(
            why.message,
            format!("Bind for {at} failed: port is already allocated")
        );
    }

    #[test]
    fn an_address_of_another_computer_is_unknown() {
        let at = "192.0.2.1:9".parse().unwrap();
        let error = bind(Protocol::Udp, at).unwrap_err();
        assert_eq!(refusal(at, &error).kind, RefusalKind::AddressUnknown);
    }
}
