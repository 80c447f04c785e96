//! Questions over connections, whose messages have the framing of our datagrams (RFC 1035, 4.2.2).

use std::time::Duration;

use gantry_tunnel::datagram::{Reader, Writer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Asker;

/// How long a connection may be silent (RFC 7766, 6.2.3).
const IDLE: Duration = Duration::from_secs(10);

/// Answers until the agent ends.
pub async fn serve(listener: TcpListener, asker: Asker) {
    loop {
        let Ok(permit) = asker.room.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((connection, _)) => {
                let asker = asker.clone();
                tokio::spawn(async move {
                    answer(connection, &asker).await;
                    drop(permit);
                });
            }
            // Out of descriptors, of which some come back with time.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

/// One question after the other.
async fn answer(mut connection: TcpStream, asker: &Asker) {
    let (read, write) = connection.split();
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    while let Ok(Ok(Some(question))) = timeout(IDLE, reader.next()).await {
        let question = question.to_vec();
        let Some(answer) = asker.ask(&question).await else {
            return;
        };
        if writer.send(&answer).await.is_err() {
            return;
        }
    }
}
