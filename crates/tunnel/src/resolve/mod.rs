//! DNS for the guest: its questions are asked of the host's own resolvers.
//!
//! A stream for [`crate::Purpose::Resolve`] carries DNS messages (RFC 1035, 4) as
//! [`crate::datagram`]s: questions to the host, answers back in any order, told apart by their id.
//! The guest chooses what is asked, never who is asked: the host takes its own configuration, anew
//! for each question, so that a VPN that comes or goes is noticed.

mod forward;
mod message;
mod servers;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

pub use self::message::{failure, truncated, udp_limit};
pub use self::servers::{Resolvers, SystemResolvers};
use crate::datagram;

/// Questions of a stream that are asked at once; further ones wait in the stream.
const AT_ONCE: usize = 64;
/// How long all servers together may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Answers the questions on `stream` until it ends.
pub async fn serve<R: Resolvers + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    resolvers: Arc<R>,
) -> io::Result<()> {
    let (read, write) = tokio::io::split(stream);
    let (mut questions, mut writer) = (datagram::Reader::new(read), datagram::Writer::new(write));
    let (answers, mut answered) = mpsc::channel::<Vec<u8>>(AT_ONCE);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Dropped with what is asked still, when the stream ends.
    let mut asking = JoinSet::new();
    let listen = async {
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return Ok::<_, io::Error>(());
            };
            while asking.try_join_next().is_some() {}
            let Some(question) = questions.next().await? else {
                // What was asked is answered still.
                while asking.join_next().await.is_some() {}
                return Ok(());
            };
            let (question, answers, resolvers) =
                (question.to_vec(), answers.clone(), resolvers.clone());
            asking.spawn(async move {
                if let Some(answer) = answer(&question, &*resolvers).await {
                    // Fails where the stream is over.
                    let _ = answers.send(answer).await;
                }
                drop(permit);
            });
        }
    };
    let speak = async {
        while let Some(answer) = answered.recv().await {
            writer.send(&answer).await?;
        }
        Ok::<_, io::Error>(())
    };
    tokio::select! {
        listened = listen => listened,
        spoken = speak => return spoken,
    }?;
    while let Ok(answer) = answered.try_recv() {
        writer.send(&answer).await?;
    }
    writer.shutdown().await
}

/// The answer to one question; none where it isn't one.
async fn answer<R: Resolvers>(question: &[u8], resolvers: &R) -> Option<Vec<u8>> {
    if !message::is_question(question) {
        return None;
    }
    let answered = tokio::time::timeout(PATIENCE, async {
        let servers = resolvers.servers().await?;
        forward::ask(question, &servers).await
    });
    match answered.await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a name can't be resolved");
            failure(question)
        }
        Err(_) => failure(question),
    }
}
