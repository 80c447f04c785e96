//! Datagrams on a stream: a length of two bytes, big-endian, and that many bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a datagram.
pub const MAX_DATAGRAM: usize = u16::MAX as usize;

/// Reads datagrams off a stream.
#[derive(Debug)]
pub struct Reader<R> {
    io: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out and can go.
    taken: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from `io`.
    pub fn new(io: R) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// The next datagram; `None` at the end of the stream. Dropped while it waits, it loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        loop {
            if let [high, low, rest @ ..] = self.buffer.as_slice() {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if rest.len() >= length {
                    self.taken = 2 + length;
                    return Ok(Some(&self.buffer[2..2 + length]));
                }
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.len() {
                    0 => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}

/// Writes datagrams to a stream.
#[derive(Debug)]
pub struct Writer<W> {
    io: W,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes to `io`.
    pub fn new(io: W) -> Self {
        Self {
            io,
            buffer: Vec::new(),
        }
    }

    /// Writes `payload` as one datagram. Not to be used again after it was dropped half-way.
    pub async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u16::try_from(payload.len()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a datagram of {} bytes; {MAX_DATAGRAM} is the limit",
                    payload.len()
                ),
            )
        })?;
        // In one piece, so that it travels in one frame.
        self.buffer.clear();
        self.buffer.extend(length.to_be_bytes());
        self.buffer.extend_from_slice(payload);
        self.io.write_all(&self.buffer).await
    }

    /// Ends the stream in this direction.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn datagrams_come_out_as_they_went_in(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..20),
            width in 1_usize..5000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let received = runtime.block_on(async {
                let (near, far) = tokio::io::duplex(width);
                let write = async {
                    let mut writer = Writer::new(near);
                    for datagram in &sent {
                        writer.send(datagram).await.unwrap();
                    }
                };
                let read = async {
                    let mut reader = Reader::new(far);
                    let mut received = Vec::new();
                    while let Some(datagram) = reader.next().await.unwrap() {
                        received.push(datagram.to_vec());
                    }
                    received
                };
                tokio::join!(write, read).1
            });
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn a_cut_stream_is_an_error(payload in proptest::collection::vec(any::<u8>(), 1..300), cut: prop::sample::Index) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut bytes = Vec::new();
            runtime.block_on(Writer::new(&mut bytes).send(&payload)).unwrap();
            let cut = 1 + cut.index(bytes.len() - 1);
            let mut reader = Reader::new(&bytes[..cut]);
            prop_assert!(runtime.block_on(reader.next()).is_err());
        }
    }

    #[tokio::test]
    async fn what_is_longer_than_a_datagram_can_be_is_not_sent() {
        let mut bytes = Vec::new();
        let error = Writer::new(&mut bytes)
            .send(&vec![0; MAX_DATAGRAM + 1])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(bytes.is_empty());
    }
}
