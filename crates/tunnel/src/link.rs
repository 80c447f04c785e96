//! What handles, streams and the driver share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{mpsc, oneshot, watch};

use crate::TunnelError;
use crate::stream::Mark;

/// What the driver is asked to do.
#[derive(Debug)]
pub(crate) enum Wish {
    Open(oneshot::Sender<yamux::Stream>),
    Close,
}

/// A stream that was let go of before both directions had ended.
#[derive(Debug)]
pub(crate) struct Abort {
    pub(crate) stream: yamux::Stream,
    pub(crate) state: Direction,
}

/// How this side's direction stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ended,
    /// Bytes written.
    Open(u64),
}

/// What handles and streams share with the driver.
#[derive(Debug)]
pub(crate) struct Link {
    wishes: mpsc::Sender<Wish>,
    aborts: mpsc::UnboundedSender<Abort>,
    over: watch::Receiver<Option<Arc<TunnelError>>>,
    state: Arc<State>,
}

/// What the driver shares, without keeping itself alive by it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Held by the driver whenever it moves anything.
    turn: Mutex<()>,
    marks: Mutex<HashMap<u32, Weak<Mark>>>,
    peer_paused: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    pub(crate) fn mark(&self, stream: u32) -> Option<Arc<Mark>> {
        lock(&self.marks).get(&stream).and_then(Weak::upgrade)
    }

    pub(crate) fn is_peer_paused(&self) -> bool {
        self.peer_paused.load(Ordering::Relaxed)
    }
}

impl Link {
    pub(crate) fn new(
        wishes: mpsc::Sender<Wish>,
        aborts: mpsc::UnboundedSender<Abort>,
        over: watch::Receiver<Option<Arc<TunnelError>>>,
        state: Arc<State>,
    ) -> Self {
        Self {
            wishes,
            aborts,
            over,
            state,
        }
    }

    pub(crate) async fn open(&self) -> Result<yamux::Stream, Arc<TunnelError>> {
        let (reply, opened) = oneshot::channel();
        if self.wishes.send(Wish::Open(reply)).await.is_ok()
            && let Ok(stream) = opened.await
        {
            return Ok(stream);
        }
        Err(self.closed().await)
    }

    pub(crate) async fn close(&self) {
        // Fails where there is nothing left to close.
        let _ = self.wishes.send(Wish::Close).await;
        self.closed().await;
    }

    pub(crate) async fn closed(&self) -> Arc<TunnelError> {
        let mut over = self.over.clone();
        match over.wait_for(Option::is_some).await {
            Ok(error) => error
                .clone()
                .unwrap_or_else(|| Arc::new(TunnelError::Closed)),
            Err(_) => Arc::new(TunnelError::Closed),
        }
    }

    pub(crate) fn over(&self) -> Option<Arc<TunnelError>> {
        match &*self.over.borrow() {
            Some(error) => Some(error.clone()),
            // The driver's task was dropped with its runtime.
            None => self
                .over
                .has_changed()
                .is_err()
                .then(|| Arc::new(TunnelError::Closed)),
        }
    }

    /// Waits until the driver has finished what it is about.
    pub(crate) fn settle(&self) {
        drop(self.state.turn());
    }

    pub(crate) fn register(&self, id: u32) -> Arc<Mark> {
        let mark = Arc::new(Mark::default());
        lock(&self.state.marks).insert(id, Arc::downgrade(&mark));
        mark
    }

    pub(crate) fn forget(&self, id: u32) {
        lock(&self.state.marks).remove(&id);
    }

    pub(crate) fn abort(&self, abort: Abort) {
        // Where no driver is left, dropping it is all there is to do.
        let _ = self.aborts.send(abort);
    }

    pub(crate) fn set_peer_paused(&self, paused: bool) {
        self.state.peer_paused.store(paused, Ordering::Relaxed);
    }
}
