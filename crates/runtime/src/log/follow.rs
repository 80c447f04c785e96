//! The engine's side: entries as they come, off the reactor.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use rustix::fs::inotify;
use rustix::io::Errno;
use time::OffsetDateTime;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, interval, sleep};

use super::files::{CURRENT, Files};
use super::read::{Progress, Reader};
use super::{Entry, LogError, Query, sys};

/// How often to look where the kernel has no more watches to give (`fs.inotify.max_user_instances`), or nothing to watch.
const WITHOUT_WATCH: Duration = Duration::from_millis(250);
/// Entries handed over at once.
const BATCH: usize = 256;

/// Begins to read the log in `folder`; a log that isn't there is empty.
///
/// With [`Query::follow`], reading goes on until `ended` is done *and* all is read. `ended` must not be done before the
/// log's writer is: wait for the container's exit on disk.
///
/// # Errors
/// Where the log can't be opened.
pub async fn read(
    folder: &Path,
    query: Query,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<Entries, LogError> {
    let files = Files::new(folder);
    // Before the first look, so that nothing falls between.
    let changes = if query.follow {
        let folder = folder.to_owned();
        let watch = spawn_blocking(move || watch(&folder));
        let watch = watch.await.map_err(|_| LogError::Stopped)?;
        let changes = watch.and_then(Changes::of);
        Some(changes.map_err(|source| failed(&files, source))?)
    } else {
        None
    };
    let deadline: Option<Signal> = match query.until.filter(|_| query.follow) {
        Some(until) => {
            let left = until - OffsetDateTime::now_utc();
            Some(Box::pin(sleep(left.try_into().unwrap_or_default())))
        }
        None => None,
    };
    let opened = {
        let files = files.clone();
        spawn_blocking(move || Reader::open(files, query))
            .await
            .map_err(|_| LogError::Stopped)?
    };
    let reader = opened.map_err(|source| failed(&files, source))?;
    Ok(Entries {
        files,
        state: State::Idle(reader),
        ready: VecDeque::new(),
        changes,
        ended: Some(Box::pin(ended)),
        deadline: deadline.unwrap_or_else(|| Box::pin(pending())),
    })
}

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;
type Step = (Reader, VecDeque<Entry>, io::Result<Progress>);

/// Entries of a log, oldest first. Dropping it frees the kernel's watch at once.
pub struct Entries {
    files: Files,
    state: State,
    ready: VecDeque<Entry>,
    /// `Some` while following.
    changes: Option<Changes>,
    /// `None` once it is done.
    ended: Option<Signal>,
    deadline: Signal,
}

enum State {
    Idle(Reader),
    Reading(JoinHandle<Step>),
    AtEnd(Reader),
    Finished,
}

impl Entries {
    /// The next entry; `None` when there will be none. Cancelling the call loses nothing.
    pub async fn next(&mut self) -> Option<Result<Entry, LogError>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            if let Err(error) = self.advance().await {
                self.state = State::Finished;
                return Some(Err(error));
            }
            if self.ready.is_empty() && matches!(self.state, State::Finished) {
                self.changes = None;
                return None;
            }
        }
    }

    async fn advance(&mut self) -> Result<(), LogError> {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Finished => {}
            State::Idle(reader) => self.state = State::Reading(spawn_blocking(|| batch(reader))),
            State::Reading(task) => {
                self.state = State::Reading(task);
                let State::Reading(task) = &mut self.state else {
                    return Ok(());
                };
                let (reader, entries, progress) = task.await.map_err(|_| LogError::Stopped)?;
                self.ready = entries;
                self.state = match progress.map_err(|source| failed(&self.files, source))? {
                    Progress::More => State::Idle(reader),
                    Progress::AtEnd => State::AtEnd(reader),
                    Progress::Finished => State::Finished,
                };
            }
            State::AtEnd(reader) => {
                self.state = State::AtEnd(reader);
                self.wait().await?;
            }
        }
        Ok(())
    }

    /// Waits until there may be more to read.
    async fn wait(&mut self) -> Result<(), LogError> {
        let (Some(changes), Some(ended)) = (&mut self.changes, &mut self.ended) else {
            // All was read after the end.
            self.state = State::Finished;
            return Ok(());
        };
        tokio::select! {
            change = changes.next() => change.map_err(|source| failed(&self.files, source))?,
            () = ended => self.ended = None,
            () = &mut self.deadline => {
                self.state = State::Finished;
                return Ok(());
            }
        }
        if let State::AtEnd(reader) = std::mem::replace(&mut self.state, State::Finished) {
            self.state = State::Idle(reader);
        }
        Ok(())
    }
}

fn batch(mut reader: Reader) -> Step {
    let mut entries = VecDeque::new();
    loop {
        let progress = reader.step(&mut entries);
        if entries.len() >= BATCH || !matches!(progress, Ok(Progress::More)) {
            return (reader, entries, progress);
        }
    }
}

fn failed(files: &Files, source: io::Error) -> LogError {
    LogError::File {
        verb: "read",
        path: files.folder().join(CURRENT),
        source,
    }
}

/// Tells when something in the log's folder changed.
enum Changes {
    Watch(AsyncFd<OwnedFd>),
    Clock(Interval),
}

/// The kernel's watch over a log's folder, if it has one to give.
fn watch(folder: &Path) -> io::Result<Option<OwnedFd>> {
    // A container that never ran has no log yet. One that is being removed must not come back: this folder alone.
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
        .and_then(|watch| {
            use inotify::WatchFlags as On;
            inotify::add_watch(
                &watch,
                folder,
                On::MODIFY | On::CREATE | On::MOVED_TO | On::MOVED_FROM | On::ONLYDIR,
            )?;
            Ok(watch)
        });
    match watch {
        Ok(watch) => Ok(Some(watch)),
        Err(Errno::MFILE | Errno::NOSPC | Errno::NFILE | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl Changes {
    fn of(watch: Option<OwnedFd>) -> io::Result<Self> {
        match watch {
            Some(watch) => Ok(Self::Watch(sys::watched(watch)?)),
            None => Ok(Self::Clock(interval(WITHOUT_WATCH))),
        }
    }

    async fn next(&mut self) -> io::Result<()> {
        match self {
            Self::Clock(interval) => {
                interval.tick().await;
                Ok(())
            }
            Self::Watch(watch) => {
                let mut ready = watch.readable().await?;
                // Which file it was doesn't matter: drop the whole queue.
                let mut buffer = [MaybeUninit::uninit(); 4096];
                loop {
                    match rustix::io::read(ready.get_inner(), &mut buffer) {
                        Ok((_, _)) => {}
                        Err(Errno::INTR) => {}
                        Err(Errno::AGAIN) => break,
                        Err(errno) => return Err(errno.into()),
                    }
                }
                ready.clear_ready();
                Ok(())
            }
        }
    }
}
