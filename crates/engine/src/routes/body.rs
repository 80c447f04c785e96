//! Bodies that are made or read while they travel.
//!
//! The work behind a streamed answer is polled by the connection, or writes into a channel that the connection reads:
//! when the client leaves, the work ends.

use std::io::{self, Read, Write};
use std::pin::Pin;

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use futures::stream::{self, Stream, StreamExt as _};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::error::{Error, Result};

/// JSON bodies are at most so long, in bytes.
pub const JSON: usize = 4 << 20;
/// Pieces of a body that may wait between a thread and the connection.
const PIECES: usize = 4;
/// The size of a piece, in bytes.
const PIECE: usize = 64 << 10;

/// Reads a JSON body of at most [`JSON`] bytes. One that is missing is `T`'s default.
pub async fn json<T: DeserializeOwned + Default>(body: Body) -> Result<T> {
    let bytes = Limited::new(body, JSON)
        .collect()
        .await
        .map_err(|error| Error::invalid(format!("can't read the request's body: {error}")))?
        .to_bytes();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("invalid JSON: {error}")))
}

/// A request's body for code that reads asynchronously.
pub fn reader(body: Body) -> impl tokio::io::AsyncRead + Send + Unpin + 'static {
    let data = body
        .into_data_stream()
        .map(|piece| piece.map_err(io::Error::other));
    tokio_util::io::StreamReader::new(data)
}

/// A request's body for code that blocks.
///
/// The pieces come by a task that ends with the body, or when the reader is dropped.
pub fn blocking_reader(body: Body) -> BlockingReader {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut pieces = body.into_data_stream();
        loop {
            let piece = tokio::select! {
                // Nobody reads any more: the rest is for whoever takes the body back.
                () = sender.closed() => return,
                piece = pieces.next() => piece,
            };
            let Some(piece) = piece else { return };
            let failed = piece.is_err();
            if sender.send(piece.map_err(io::Error::other)).await.is_err() || failed {
                return;
            }
        }
    });
    BlockingReader {
        receiver,
        piece: Bytes::new(),
    }
}

/// See [`blocking_reader`].
#[derive(Debug)]
pub struct BlockingReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Takes what a blocking writer writes; see [`blocking_body`].
#[derive(Debug)]
pub struct BlockingWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl BlockingWriter {
    fn send(&mut self, piece: io::Result<Bytes>) -> io::Result<()> {
        self.sender
            .blocking_send(piece)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for BlockingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.send(Ok(piece.into()))
    }
}

/// The body that `work`, which blocks, writes. Waits for the first piece: a failure before it is an answer of its own,
/// one after it breaks the connection off, so that nobody takes half for the whole.
pub async fn blocking_body<F>(work: F) -> Result<Body>
where
    F: FnOnce(&mut BlockingWriter) -> Result<()> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(PIECES);
    let task = tokio::task::spawn_blocking(move || {
        let mut writer = BlockingWriter {
            sender,
            buffer: Vec::new(),
        };
        let done = work(&mut writer).and_then(|()| {
            writer
                .flush()
                .map_err(Error::io("can't send the rest of the answer"))
        });
        if let Err(error) = &done {
            // The client may be gone, which may be the very reason.
            let _ = writer.send(Err(io::Error::other(error.to_string())));
        }
        done
    });
    match receiver.recv().await {
        Some(Ok(first)) => {
            let rest = stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|piece| (piece, receiver))
            });
            Ok(Body::from_stream(
                stream::once(std::future::ready(Ok(first))).chain(rest),
            ))
        }
        Some(Err(_)) | None => match task.await {
            Ok(Ok(())) => Ok(Body::empty()),
            Ok(Err(error)) => Err(error),
            Err(failure) => Err(Error::Internal(format!("copying failed: {failure}"))),
        },
    }
}

/// What [`work_body`] streams.
type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The body whose pieces `work` puts into the channel, until it is done. `work` is polled by whoever polls the body.
///
/// With `last`, a failure after the first piece becomes a piece; without, it breaks the connection off.
pub async fn work_body<W>(
    mut pieces: mpsc::Receiver<Bytes>,
    work: W,
    last: Option<fn(&Error) -> Bytes>,
) -> Result<Body>
where
    W: Future<Output = Result<()>> + Send + 'static,
{
    let mut work = Box::pin(work);
    let first = tokio::select! {
        biased;
        piece = pieces.recv() => piece,
        done = &mut work => {
            done?;
            let mut all = Vec::new();
            while let Ok(piece) = pieces.try_recv() {
                all.extend_from_slice(&piece);
            }
            return Ok(Body::from(all));
        }
    };
    let first = stream::iter(first.map(Ok));
    let rest = stream::unfold(Some((pieces, work)), move |state| async move {
        let (mut pieces, mut work) = state?;
        let done = tokio::select! {
            biased;
            Some(piece) = pieces.recv() => return Some((Ok(piece), Some((pieces, work)))),
            done = &mut work => done,
        };
        let mut all = Vec::new();
        while let Ok(piece) = pieces.try_recv() {
            all.extend_from_slice(&piece);
        }
        match (done, last) {
            (Ok(()), _) => {}
            (Err(error), Some(last)) => all.extend_from_slice(&last(&error)),
            (Err(error), None) => {
                return Some((Err(io::Error::other(error.to_string())), None));
            }
        }
        (!all.is_empty()).then(|| (Ok(all.into()), None))
    });
    let pieces: Pieces = Box::pin(first.chain(rest));
    Ok(Body::from_stream(pieces))
}

/// An answer of a certain type whose body streams.
pub fn streamed(content_type: &'static str, body: Body) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    (
        StatusCode::OK,
        [(http::header::CONTENT_TYPE, content_type)],
        body,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(body: Body) -> std::result::Result<String, axum::Error> {
        let bytes = body.collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn fail() -> Result<()> {
        Err(Error::not_found("no"))
    }

    #[tokio::test]
    async fn a_failure_before_the_first_piece_is_an_answer() {
        let error = blocking_body(|_| fail()).await.unwrap_err();
        assert_eq!(error.kind().status(), 404);
        let (_sender, receiver) = mpsc::channel(8);
        let error = work_body(receiver, async { fail() }, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind().status(), 404);
    }

    #[tokio::test]
    async fn a_failure_after_it_breaks_off_or_is_told() {
        let body = blocking_body(|out| {
            out.write_all(&[b'x'; 2 * PIECE]).unwrap();
            fail()
        });
        assert!(text(body.await.unwrap()).await.is_err());

        let work = |sender: mpsc::Sender<Bytes>| async move {
            sender.try_send("one ".into()).unwrap();
            tokio::task::yield_now().await;
            sender.try_send("two ".into()).unwrap();
            fail()
        };
        let (sender, receiver) = mpsc::channel(8);
        let body = work_body(receiver, work(sender), None).await.unwrap();
        assert!(text(body).await.is_err());
        let (sender, receiver) = mpsc::channel(8);
        let last: fn(&Error) -> Bytes = |error| error.to_string().into();
        let body = work_body(receiver, work(sender), Some(last)).await.unwrap();
        assert_eq!(text(body).await.unwrap(), "one two no");
    }

    #[tokio::test]
    async fn work_ends_when_the_client_leaves() {
        let (ended, on_end) = tokio::sync::oneshot::channel();
        let body = blocking_body(move |out| {
            let failed = loop {
                if let Err(error) = out.write_all(&[0; PIECE]) {
                    break error;
                }
            };
            let _ = ended.send(failed.kind());
            Ok(())
        });
        drop(body.await.unwrap());
        assert_eq!(on_end.await.unwrap(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_body_is_read_by_threads() {
        let pieces =
            stream::iter(["ab", "", "cdef"].map(|piece| Ok::<_, io::Error>(Bytes::from(piece))));
        let mut reader = blocking_reader(Body::from_stream(pieces));
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        assert_eq!(read.await.unwrap().unwrap(), "abcdef");
    }

    #[tokio::test]
    async fn json_is_bounded_and_may_be_missing() {
        assert_eq!(
            json::<Vec<u8>>(Body::empty()).await.unwrap(),
            Vec::<u8>::new()
        );
        assert_eq!(json::<Vec<u8>>(Body::from("[1]")).await.unwrap(), [1]);
        assert!(json::<Vec<u8>>(Body::from("{")).await.is_err());
        assert!(
            json::<String>(Body::from(vec![b' '; JSON + 1]))
                .await
                .is_err()
        );
    }
}
