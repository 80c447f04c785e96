//! Layers on their way: fetched and unpacked once however many pulls want them, a few at a time.
//!
//! A flight lives as long as someone waits for it. When the last one goes away, it is aborted and what it made is
//! removed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::layer::{Expected, Feed, Intake, feed, take_in};
use crate::registry::{Descriptor, Repository, of_request};
use crate::store::{Files, Fresh};
use crate::{Digest, ImageError, Options};

/// How often a bar moves.
const TICK: Duration = Duration::from_millis(100);
/// Tries in a row that bring nothing to speak of; each goes on where the last one ended.
const RETRIES: u32 = 5;
/// Bytes that are something to speak of.
const WORTH_IT: u64 = 64 << 10;

/// Where a flight is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Waiting,
    /// Seconds until the next try.
    Retrying(u64),
    Downloading(u64),
    Downloaded,
    Extracting(u64),
    Done,
}

/// How far a flight is, and how it ended.
#[derive(Clone)]
struct State {
    stage: Stage,
    outcome: Option<Result<Arc<Fresh>, Arc<ImageError>>>,
}

/// All flights.
pub(crate) struct Flights {
    slots: Arc<Semaphore>,
    retry_pause: Duration,
    current: Mutex<HashMap<(Digest, Digest), Weak<Flight>>>,
}

/// One layer on its way.
pub(crate) struct Flight {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Flights {
    pub(crate) fn new(options: &Options) -> Flights {
        Flights {
            slots: Arc::new(Semaphore::new(options.concurrent_downloads.max(1))),
            retry_pause: options.retry_pause,
            current: Mutex::default(),
        }
    }

    /// The flight of a layer, begun if nobody has yet; true if it was.
    pub(crate) fn join(
        &self,
        files: &Files,
        repository: &Arc<Repository>,
        layer: &Descriptor,
        diff_id: Digest,
    ) -> (Arc<Flight>, bool) {
        let key = (layer.digest, diff_id);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = current.get(&key).and_then(Weak::upgrade)
            && !matches!(flight.state.borrow().outcome, Some(Err(_)))
        {
            return (flight, false);
        }
        let (sender, state) = watch::channel(State {
            stage: Stage::Waiting,
            outcome: None,
        });
        let job = Job {
            files: files.clone(),
            repository: Arc::clone(repository),
            layer: layer.clone(),
            diff_id,
            retry_pause: self.retry_pause,
            state: sender,
        };
        let slots = Arc::clone(&self.slots);
        let task = tokio::spawn(async move {
            let result = job.run(&slots).await.map(Arc::new).map_err(Arc::new);
            job.state.send_modify(|state| state.outcome = Some(result));
        });
        let flight = Arc::new(Flight {
            state,
            task: task.abort_handle(),
        });
        current.insert(key, Arc::downgrade(&flight));
        (flight, true)
    }
}

impl Flight {
    /// Waits for the end, telling each stage on the way.
    pub(crate) async fn wait(&self, mut tell: impl FnMut(Stage)) -> Result<Arc<Fresh>, ImageError> {
        let mut receiver = self.state.clone();
        let mut told = None;
        loop {
            let State { stage, outcome } = receiver.borrow_and_update().clone();
            match outcome {
                Some(Ok(fresh)) => {
                    tell(Stage::Done);
                    return Ok(fresh);
                }
                Some(Err(error)) => return Err(ImageError::Shared(error)),
                None => {}
            }
            if told != Some(stage) {
                told = Some(stage);
                tell(stage);
            }
            receiver
                .changed()
                .await
                .map_err(|_| ImageError::Interrupted)?;
        }
    }
}

struct Job {
    files: Files,
    repository: Arc<Repository>,
    layer: Descriptor,
    diff_id: Digest,
    retry_pause: Duration,
    state: watch::Sender<State>,
}

impl Job {
    async fn run(&self, slots: &Semaphore) -> Result<Fresh, ImageError> {
        // Never closed.
        let _slot = slots.acquire().await.map_err(|_| ImageError::Interrupted)?;
        self.reach(Stage::Downloading(0));
        // Lives until the work is done: the work ends when it goes.
        let (sender, source) = feed();
        let done = Arc::new(AtomicU64::new(0));
        let expected = Expected {
            digest: Some(self.layer.digest),
            size: Some(self.layer.size),
            diff_id: Some(self.diff_id),
        };
        let (files, counter) = (self.files.clone(), Arc::clone(&done));
        let mut work = tokio::task::spawn_blocking(move || {
            let scratch = files.scratch()?;
            let (blob, folder) = (scratch.blob(), scratch.folder());
            let intake = Intake {
                blob: &blob,
                folder: &folder,
                expected,
                wanted: source.wanted(),
                done: &counter,
            };
            let taken = take_in(source, &intake)?;
            Ok(Fresh::new(taken, scratch))
        });
        let downloaded = self.download(&sender).await;
        if let Err(Download::Failed(error)) = downloaded {
            drop(sender);
            // Its own error is only that the stream was cut off; it has cleaned up when it answers.
            let _ = work.await;
            return Err(error);
        }
        self.reach(Stage::Downloaded);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                result = &mut work => return result.map_err(|_| ImageError::Interrupted)?,
                _ = tick.tick() => {
                    self.reach(Stage::Extracting(done.load(Ordering::Relaxed)));
                }
            }
        }
    }

    fn reach(&self, stage: Stage) {
        self.state.send_modify(|state| state.stage = stage);
    }

    /// Fetches the blob, going on where a broken connection ended.
    async fn download(&self, sender: &mpsc::Sender<Feed>) -> Result<(), Download> {
        let mut at = 0;
        let mut in_vain = 0;
        loop {
            let before = at;
            let error = match self.fetch(&mut at, sender).await {
                Ok(()) => break,
                Err(Download::Broken(error)) => error,
                Err(other) => return Err(other),
            };
            in_vain = if at - before < WORTH_IT {
                in_vain + 1
            } else {
                0
            };
            let silent = matches!(error, ImageError::Stalled { .. });
            if in_vain > RETRIES || (silent && in_vain > 0) {
                return Err(Download::Failed(error));
            }
            tracing::debug!(layer = %self.layer.digest, at, %error, "download broke off, going on");
            if in_vain > 0 {
                let pause = self.retry_pause * (1 << (in_vain - 1));
                self.reach(Stage::Retrying(pause.as_secs_f64().ceil() as u64));
                tokio::time::sleep(pause).await;
            }
        }
        sender
            .send(Feed::End)
            .await
            .map_err(|_| Download::NotWanted)
    }

    async fn fetch(&self, at: &mut u64, sender: &mpsc::Sender<Feed>) -> Result<(), Download> {
        let Descriptor { digest, size, .. } = self.layer;
        let mut answer = self
            .repository
            .blob(digest, *at)
            .await
            .map_err(|error| match error {
                error @ (ImageError::Unreachable { .. } | ImageError::Failing { .. }) => {
                    Download::Broken(error)
                }
                error => Download::Failed(error),
            })?;
        let rest = answer.status() == reqwest::StatusCode::PARTIAL_CONTENT;
        // A server that knows no ranges starts again.
        let mut skip = if rest { 0 } else { *at };
        let wrong = |actual| ImageError::SizeMismatch {
            what: "layer",
            digest,
            expected: size,
            actual,
        };
        if let Some(length) = answer.content_length() {
            let whole = if rest {
                at.saturating_add(length)
            } else {
                length
            };
            if whole != size {
                return Err(Download::Failed(wrong(whole)));
            }
        }
        let (mut told, mut told_at) = (*at, Instant::now());
        let url = answer.url().to_string();
        loop {
            let mut chunk = match answer.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if *at < size => return Err(Download::Broken(wrong(*at))),
                Ok(None) => return Ok(()),
                Err(error) => {
                    return Err(Download::Broken(of_request(
                        &url,
                        self.repository.host(),
                        self.repository.stall_limit(),
                        error,
                    )));
                }
            };
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= known as u64;
            drop(chunk.split_to(known));
            if chunk.is_empty() {
                continue;
            }
            *at += chunk.len() as u64;
            if *at > size {
                return Err(Download::Failed(wrong(*at)));
            }
            sender
                .send(Feed::Data(chunk))
                .await
                .map_err(|_| Download::NotWanted)?;
            if *at - told >= 512 << 10 || told_at.elapsed() >= TICK {
                (told, told_at) = (*at, Instant::now());
                self.reach(Stage::Downloading(*at));
            }
        }
    }
}

enum Download {
    /// Worth another try.
    Broken(ImageError),
    Failed(ImageError),
    /// The unpacking ended before: its error is the one to tell.
    NotWanted,
}
