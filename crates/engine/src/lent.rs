//! A request's body that is lent to its handler, and taken back.
//!
//! A handler that refuses a request has often not read its body. Were the connection closed on a client that still
//! sends, it would see a broken pipe instead of the answer: so what is left of the body is read first, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What a refused client may still send: bytes, and time.
const MOST_BYTES: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(10);

/// One body with several holders. Only one of them reads at a time: the handler, and then whoever takes it back.
#[derive(Debug, Clone)]
pub struct Lent(Arc<Mutex<Incoming>>);

impl Lent {
    /// Makes a body that can be lent.
    pub fn new(body: Incoming) -> Lent {
        Lent(Arc::new(Mutex::new(body)))
    }

    /// Reads and forgets what is left, as long as it is within bounds.
    pub async fn drain(mut self) {
        let rest = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(frame)) = self.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(length) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        // Who is slower than that sees the connection end.
        let _ = tokio::time::timeout(MOST_TIME, rest).await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut Incoming) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
