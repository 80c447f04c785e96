//! A published UDP port: a stream to the guest for each client, until it is silent for long.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::{Purpose, datagram};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::shared::Shared;

/// More clients at once lose their datagrams: each costs a stream.
const MAX_FLOWS: usize = 512;
/// A client that was silent so long is a new one, as the engine's own forwarding has it.
const SILENCE: Duration = Duration::from_secs(90);
/// Datagrams of a client that wait for the guest; more are lost, as on any network.
const WAITING: usize = 64;

/// Serves until dropped, and its clients with it.
pub async fn serve(shared: Arc<Shared>, socket: UdpSocket, guest: SocketAddr) {
    let socket = Arc::new(socket);
    let mut flows: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut running: JoinSet<SocketAddr> = JoinSet::new();
    let mut buffer = vec![0; datagram::MAX_DATAGRAM];
    loop {
        tokio::select! {
            Some(ended) = running.join_next() => {
                if let Ok(client) = ended {
                    flows.remove(&client);
                }
            }
            received = socket.recv_from(&mut buffer) => {
                // Errors are about datagrams sent earlier: their clients have gone.
                let Ok((length, client)) = received else {
                    tokio::task::yield_now().await;
                    continue;
                };
                if !flows.contains_key(&client) {
                    if flows.len() >= MAX_FLOWS {
                        continue;
                    }
                    let (to_guest, waiting) = mpsc::channel(WAITING);
                    let (shared, socket) = (shared.clone(), socket.clone());
                    running.spawn(async move {
                        if let Err(why) = flow(&shared, &socket, client, guest, waiting).await {
                            tracing::debug!(%client, %guest, why, "a client of a published port");
                        }
                        client
                    });
                    flows.insert(client, to_guest);
                }
                if let Some(flow) = flows.get(&client) {
                    let _ = flow.try_send(buffer[..length].to_vec());
                }
            }
        }
    }
}

/// One client's datagrams, both ways.
async fn flow(
    shared: &Shared,
    socket: &UdpSocket,
    client: SocketAddr,
    guest: SocketAddr,
    mut waiting: mpsc::Receiver<Vec<u8>>,
) -> Result<(), String> {
    let tunnel = shared.ready().await?;
    let stream = tunnel
        .open(&Purpose::Udp { to: guest })
        .await
        .map_err(|error| error.to_string())?;
    let (reader, writer): (ReadHalf<_>, WriteHalf<_>) = split(stream);
    let mut answers = datagram::Reader::new(reader);
    let mut questions = datagram::Writer::new(writer);
    loop {
        tokio::select! {
            question = waiting.recv() => match question {
                Some(question) => questions.send(&question).await.map_err(|error| error.to_string())?,
                None => return Ok(()),
            },
            answer = answers.next() => match answer.map_err(|error| error.to_string())? {
                // What can't be sent is lost, as on any network.
                Some(answer) => drop(socket.send_to(answer, client).await),
                None => return Ok(()),
            },
            () = tokio::time::sleep(SILENCE) => return Ok(()),
        }
    }
}
