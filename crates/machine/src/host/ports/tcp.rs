//! A published TCP port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::{Purpose, copy_both};
use tokio::net::{TcpListener, TcpStream};

use super::super::shared::Shared;

/// Where no more connections can be had just now, the next try is after so long.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until dropped. Connections outlive the listener, as their container does.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, guest: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(connection(shared.clone(), client, guest));
            }
            Err(error) => {
                tracing::warn!(%error, "a published port");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, mut client: TcpStream, guest: SocketAddr) {
    let _ = client.set_nodelay(true);
    let opened = match shared.ready().await {
        Ok(tunnel) => tunnel
            .open(&Purpose::Tcp { to: guest })
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    let carried = match opened {
        Ok(mut stream) => copy_both(&mut client, &mut stream)
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    if let Err(why) = carried {
        tracing::debug!(%guest, why, "a connection to a published port");
        // The client sees a reset, as it would of the container itself.
        let _ = client.set_zero_linger();
    }
}
