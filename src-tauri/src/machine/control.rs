//! Asking a machine's host process.

use std::io;
use std::path::PathBuf;

use gantry_machine::Paths;
use gantry_machine::control::{Call, MAX_LINE, Reply};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::engine::local::{self, Stream};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No host process listens.
    #[error("the machine does not run")]
    Away,
    /// It can't be talked to.
    #[error("{}: {source}", socket.display())]
    Socket {
        /// Its socket.
        socket: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It said what this program can't read: they are of different versions.
    #[error("{}: an answer that can't be read: {source}", socket.display())]
    Unreadable {
        /// Its socket.
        socket: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// It said more in one line than is taken in.
    #[error("{}: an answer longer than {MAX_LINE} bytes", socket.display())]
    TooLong {
        /// Its socket.
        socket: PathBuf,
    },
    /// It did not do it.
    #[error("{0}")]
    Refused(String),
}

/// A call, and its answers as they come.
pub struct Conversation {
    socket: PathBuf,
    lines: BufReader<Box<dyn Stream>>,
}

impl Conversation {
    /// Asks `call` of the host process of the machine with these files.
    pub async fn begin(paths: &Paths, call: &Call) -> Result<Self, ControlError> {
        let socket = paths.control_socket();
        let failed = |source: io::Error| ControlError::Socket {
            socket: socket.clone(),
            source,
        };
        let mut stream = local::connect(&socket).await.map_err(|error| {
            use io::ErrorKind::{ConnectionRefused, NotFound};
            match error.kind() {
                NotFound | ConnectionRefused => ControlError::Away,
                _ => failed(error),
            }
        })?;
        let mut line = serde_json::to_vec(call).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(failed)?;
        Ok(Self {
            socket: socket.clone(),
            lines: BufReader::new(Box::new(stream)),
        })
    }

    /// The next answer; `None` where it has said all.
    pub async fn next(&mut self) -> Result<Option<Reply>, ControlError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.lines).take(MAX_LINE as u64 + 1);
        bounded
            .read_until(b'\n', &mut line)
            .await
            .map_err(|source| ControlError::Socket {
                socket: self.socket.clone(),
                source,
            })?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => {
                let reply =
                    serde_json::from_slice(&line).map_err(|source| ControlError::Unreadable {
                        socket: self.socket.clone(),
                        source,
                    })?;
                match reply {
                    Reply::Refused(why) => Err(ControlError::Refused(why)),
                    reply => Ok(Some(reply)),
                }
            }
            Some(_) if line.len() > MAX_LINE => Err(ControlError::TooLong {
                socket: self.socket.clone(),
            }),
            // It ended within a line.
            Some(_) => Ok(None),
        }
    }
}

/// Asks what has one answer.
pub async fn ask(paths: &Paths, call: &Call) -> Result<Reply, ControlError> {
    let mut conversation = Conversation::begin(paths, call).await?;
    conversation.next().await?.ok_or(ControlError::Away)
}
