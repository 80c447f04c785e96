//! The Docker API's socket on the host: each connection is a stream to the engine's socket in the guest.

use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::{Purpose, copy_both};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::shared::Shared;
use crate::backend::Channel;
use crate::local::Listener;

/// Where no more connections can be had just now, the next try is after so long.
const BREATH: Duration = Duration::from_millis(100);
const MAX_HEAD: usize = 64 * 1024;
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// Serves the socket until aborted.
pub async fn serve(shared: Arc<Shared>, mut listener: Listener) {
    loop {
        match listener.accept().await {
            Ok(client) => {
                tokio::spawn(connection(shared.clone(), client));
            }
            Err(error) => {
                tracing::warn!(%error, "the API's socket");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, mut client: Channel) {
    let _counted = shared.connected();
    let opened = match shared.ready().await {
        Ok(tunnel) => tunnel
            .open(&Purpose::Api)
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match opened {
        // An error of either end: both are dropped, and each sees its peer gone.
        Ok(mut engine) => drop(copy_both(&mut client, &mut engine).await),
        Err(why) => {
            let message = format!("machine {}: {why}", shared.machine.spec.name);
            let _ = tokio::time::timeout(HEAD_LIMIT, refuse(&mut client, &message)).await;
        }
    }
}

/// Answers one request as the engine would answer what it can't do.
async fn refuse(client: &mut Channel, message: &str) -> std::io::Result<()> {
    // Unread bytes at the end would take the answer with them.
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD {
        if client.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let body = serde_json::json!({ "message": message }).to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
