//! Streams that a view has open: each can be cancelled, and none runs ahead of the page.
//!
//! The page chooses a number for a stream, hands it over with the command that opens it, acknowledges the messages
//! it has taken in ([`stream_ack`]) and ends it when the view closes ([`stream_close`]). A sender waits while
//! [`WINDOW`] messages are not yet taken in: a container that logs faster than the page draws is slowed down at the
//! engine's socket, where nothing is lost, rather than in memory.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tauri::State;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::error::CommandError;

/// Messages that may be on their way to the page.
const WINDOW: usize = 8;

/// All streams that views have open.
#[derive(Default)]
pub struct Streams {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    open: HashMap<u32, Flow>,
    /// Closed before the command that opens them got its turn: a view that was shown and left at once.
    closed_early: HashSet<u32>,
}

/// One stream's brakes.
#[derive(Clone)]
pub struct Flow {
    cancel: CancellationToken,
    window: Arc<Semaphore>,
}

impl Flow {
    fn new() -> Self {
        Self {
            cancel: CancellationToken::new(),
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    /// Waits until the page can take another message.
    pub async fn ready(&self) {
        // The semaphore is never closed: a cancelled stream is dropped by `Streams::run` while it waits here.
        if let Ok(permit) = self.window.acquire().await {
            permit.forget();
        }
    }
}

impl Streams {
    /// Runs `work` until it ends or the page closes the stream.
    pub async fn run<T, F: Future<Output = Result<T, CommandError>>>(
        &self,
        stream: u32,
        work: impl FnOnce(Flow) -> F,
    ) -> Result<T, CommandError> {
        self.open(stream)?.run(work).await
    }

    /// Makes `stream` known: from here on the page can close it, also before it runs.
    pub fn open(&self, stream: u32) -> Result<Open<'_>, CommandError> {
        let flow = Flow::new();
        let mut known = self.lock();
        if known.closed_early.remove(&stream) {
            return Err(CommandError::cancelled());
        }
        if let Some(before) = known.open.insert(stream, flow.clone()) {
            before.cancel.cancel();
        }
        Ok(Open {
            streams: self,
            stream,
            flow,
        })
    }

    fn close(&self, stream: u32) {
        let mut known = self.lock();
        match known.open.remove(&stream) {
            Some(flow) => flow.cancel.cancel(),
            None => {
                known.closed_early.insert(stream);
            }
        }
    }

    /// Ends every stream: the page that had them open is gone.
    pub fn close_all(&self) {
        let mut known = self.lock();
        known.closed_early.clear();
        for (_, flow) in known.open.drain() {
            flow.cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is known. It is taken off the list when it is dropped.
pub struct Open<'a> {
    streams: &'a Streams,
    stream: u32,
    flow: Flow,
}

impl Open<'_> {
    /// Runs `work` until it ends or the page closes the stream.
    pub async fn run<T, F: Future<Output = Result<T, CommandError>>>(
        &self,
        work: impl FnOnce(Flow) -> F,
    ) -> Result<T, CommandError> {
        tokio::select! {
            biased;
            () = self.flow.cancel.cancelled() => Err(CommandError::cancelled()),
            result = work(self.flow.clone()) => result,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // A stream that was opened again under the same number stays, unless this is it. A cancelled one was taken off.
        if !self.flow.cancel.is_cancelled() {
            self.streams.lock().open.remove(&self.stream);
        }
    }
}

/// The page has taken in one more message of `stream`.
#[tauri::command]
pub fn stream_ack(streams: State<'_, Streams>, stream: u32) {
    if let Some(flow) = streams.lock().open.get(&stream) {
        flow.window.add_permits(1);
    }
}

/// The view that had `stream` open is closed, or the person pressed Cancel.
#[tauri::command]
pub fn stream_close(streams: State<'_, Streams>, stream: u32) {
    streams.close(stream);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_ends_the_work_and_forgets_the_stream() {
        let streams = Streams::default();
        let result = streams.run(1, |_| async { Ok(7) }).await;
        assert_eq!(result.unwrap(), 7);
        assert!(streams.lock().open.is_empty());

        let endless = streams.run(2, |_| std::future::pending::<Result<(), CommandError>>());
        let (result, ()) = tokio::join!(endless, async { streams.close_all() });
        assert_eq!(result.unwrap_err().code, crate::error::ErrorCode::Cancelled);
        assert!(streams.lock().open.is_empty());
    }

    #[tokio::test]
    async fn a_view_left_before_its_stream_opens_leaves_none_behind() {
        let streams = Streams::default();
        streams.close(9);
        let result = streams
            .run(9, |_| std::future::pending::<Result<(), CommandError>>())
            .await;
        assert_eq!(result.unwrap_err().code, crate::error::ErrorCode::Cancelled);
        assert!(streams.lock().closed_early.is_empty());
    }

    #[tokio::test]
    async fn a_stream_closed_before_it_runs_does_no_work() {
        let streams = Streams::default();
        let open = streams.open(4).expect("open");
        streams.close(4);
        let result = open.run(|_| async { Ok(()) }).await;
        assert_eq!(result.unwrap_err().code, crate::error::ErrorCode::Cancelled);
    }

    #[tokio::test]
    async fn a_sender_waits_for_the_page() {
        let streams = Streams::default();
        let work = streams.run(3, |flow| async move {
            for _ in 0..=WINDOW {
                flow.ready().await;
            }
            Ok(())
        });
        tokio::pin!(work);
        assert!(
            futures::poll!(&mut work).is_pending(),
            "the window must hold the sender back"
        );
        streams
            .lock()
            .open
            .get(&3)
            .expect("open")
            .window
            .add_permits(1);
        work.await.unwrap();
    }
}
