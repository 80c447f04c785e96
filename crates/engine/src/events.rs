//! The events bus: what happened, in Docker's words, to whoever listens.
//!
//! Listeners that ask for the past (`since`) get it from a bounded memory of the latest events, as dockerd's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::sync::broadcast;

/// How many events are remembered for `since`.
const REMEMBERED: usize = 256;
/// How many events a slow listener may be behind before it loses some.
const BACKLOG: usize = 1024;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// The engine itself.
    Daemon,
}

impl Subject {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Subject::Container => "container",
            Subject::Image => "image",
            Subject::Volume => "volume",
            Subject::Network => "network",
            Subject::Daemon => "daemon",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// Docker's verb, such as `start` or `exec_create: ls`.
    pub action: String,
    /// The subject's id (container, image, network) or name (volume).
    pub id: String,
    /// `name`, `image`, `exitCode`, and the subject's labels.
    pub attributes: BTreeMap<String, String>,
    /// When.
    pub time: OffsetDateTime,
}

/// Where events are told and heard.
#[derive(Debug)]
pub struct Events {
    // The memory and the sending share one lock, so that a listener who takes both gets each event exactly once.
    recent: Mutex<VecDeque<Arc<Event>>>,
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            recent: Mutex::default(),
            sender: broadcast::channel(BACKLOG).0,
        }
    }
}

impl Events {
    /// Tells all listeners.
    pub fn publish(
        &self,
        subject: Subject,
        action: impl Into<String>,
        id: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) {
        let event = Arc::new(Event {
            subject,
            action: action.into(),
            id: id.into(),
            attributes,
            time: OffsetDateTime::now_utc(),
        });
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&event));
        // Nobody listening is fine.
        let _ = self.sender.send(event);
    }

    /// Tells that all of a kind that nobody used was removed, and how many bytes that gave back.
    pub fn publish_prune(&self, subject: Subject, reclaimed: u64) {
        let attributes = BTreeMap::from([("reclaimed".to_owned(), reclaimed.to_string())]);
        self.publish(subject, "prune", "", attributes);
    }

    /// The events remembered, oldest first, and those to come, with none lost or doubled in between.
    pub fn subscribe(&self) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        (recent.iter().cloned().collect(), self.sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_bounded_and_the_future_follows_it() {
        let events = Events::default();
        for n in 0..REMEMBERED + 3 {
            events.publish(Subject::Container, "start", n.to_string(), BTreeMap::new());
        }
        let (past, mut future) = events.subscribe();
        assert_eq!(past.len(), REMEMBERED);
        assert_eq!(past[0].id, "3");
        events.publish(Subject::Image, "pull", "x", BTreeMap::new());
        assert_eq!(future.try_recv().unwrap().id, "x");
    }
}
