//! Asking servers: over UDP, and over TCP where an answer is too long for that.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{is_answer, is_truncated, rcode};

/// How long a server may take before the next is tried.
const TURN: Duration = Duration::from_millis(1500);
/// How often all servers are tried; datagrams get lost.
const ROUNDS: usize = 2;
/// Longest answer taken over UDP.
const LONGEST: usize = 65_535;

/// Answers of a server that has none: another may.
const SERVFAIL: u8 = 2;
const REFUSED: u8 = 5;

/// Asks one server after the other.
pub(super) async fn ask(question: &[u8], servers: &[SocketAddr]) -> io::Result<Vec<u8>> {
    let mut last = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the host has no resolver configured",
    ));
    for _ in 0..ROUNDS {
        for &server in servers {
            let asked = async {
                match over_udp(question, server).await? {
                    answer if is_truncated(&answer) => over_tcp(question, server).await,
                    answer => Ok(answer),
                }
            };
            match timeout(TURN, asked).await {
                Ok(Ok(answer)) if matches!(rcode(&answer), SERVFAIL | REFUSED) => last = Ok(answer),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if last.is_err() => last = Err(error),
                Err(late) if last.is_err() => last = Err(late.into()),
                _ => {}
            }
        }
        if last.is_ok() {
            break;
        }
    }
    last
}

async fn over_udp(question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A port of its own for each question, and no other sender is heard.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        if is_answer(&answer[..length], question) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn over_tcp(question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a question too long to ask"))?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(question);
    stream.write_all(&message).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    match is_answer(&answer, question) {
        true => Ok(answer),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "an answer to another question",
        )),
    }
}
