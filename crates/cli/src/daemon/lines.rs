//! Streams of JSON values, one after the other: events, stats, progress.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::{Call, Daemon, bytes};
use crate::error::{CliError, Result};

/// A value longer than this isn't one.
const MAX_VALUE: usize = 16 * 1024 * 1024;

/// The values of one answer.
pub struct Values {
    path: String,
    source: Box<dyn Stream<Item = std::io::Result<Bytes>> + Unpin + Send>,
    buffer: BytesMut,
    ended: bool,
}

impl Daemon {
    /// The values that `call` answers with, as they come.
    pub async fn values(&self, call: Call<'_>) -> Result<Values> {
        let path = call.path.to_owned();
        let response = self.call(call).await?;
        Ok(Values {
            path,
            source: Box::new(bytes(response)),
            buffer: BytesMut::new(),
            ended: false,
        })
    }
}

impl Values {
    /// The next value; none when the daemon has ended the stream.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(value) = self.buffered()? {
                return Ok(Some(value));
            }
            if self.ended {
                return Ok(None);
            }
            match self.source.next().await {
                Some(chunk) => self
                    .buffer
                    .extend_from_slice(&chunk.map_err(CliError::Connection)?),
                None => self.ended = true,
            }
            if self.buffer.len() > MAX_VALUE {
                return Err(CliError::Connection(std::io::Error::other(
                    "a value in the answer is larger than 16 MiB",
                )));
            }
        }
    }

    fn buffered<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut values = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<T>();
        let found = match values.next() {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) if error.is_eof() && !self.ended => None,
            Some(Err(source)) => {
                return Err(CliError::Answer {
                    path: self.path.clone(),
                    source,
                });
            }
            None => None,
        };
        if found.is_some() {
            let used = values.byte_offset();
            let _ = self.buffer.split_to(used);
        } else if self.ended {
            self.buffer.clear();
        }
        Ok(found)
    }
}
