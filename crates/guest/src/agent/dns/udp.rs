//! Questions in datagrams.

use std::sync::Arc;

use gantry_tunnel::resolve::{truncated, udp_limit};
use tokio::net::UdpSocket;

use super::Asker;

/// Longest question taken.
const LONGEST: usize = 4096;

/// Answers until the agent ends.
pub async fn serve(socket: UdpSocket, asker: Asker) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; LONGEST];
    loop {
        let Ok(permit) = asker.room.clone().acquire_owned().await else {
            return;
        };
        // An error is of an earlier answer, to somebody who is gone.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let (question, asker, socket) = (buffer[..length].to_vec(), asker.clone(), socket.clone());
        tokio::spawn(async move {
            if let Some(answer) = asker.ask(&question).await {
                let fits = answer.len() <= udp_limit(&question);
                let answer = if fits {
                    Some(answer)
                } else {
                    truncated(&answer)
                };
                // Fails where the asker is gone.
                let _ = socket.send_to(&answer.unwrap_or_default(), from).await;
            }
            drop(permit);
        });
    }
}
