//! Progress as JSON lines, the way Docker's clients draw it.

use bytes::Bytes;
use gantry_image::Progress;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::error::Error;

/// Lines that may wait for a slow client. An image of the most layers that overlayfs takes has fewer steps than half of
/// it.
const WAITING: usize = 8192;

/// The content type of a stream of lines.
pub const TYPE: &str = "application/json";

/// Where lines go.
#[derive(Debug, Clone)]
pub struct Lines(mpsc::Sender<Bytes>);

/// A channel of lines.
pub fn channel() -> (Lines, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Lines(sender), receiver)
}

impl Lines {
    /// Sends a line. Nobody listening is fine: the work is about to be dropped.
    pub fn send(&self, value: &Value) {
        let _ = self.0.try_send(line(value));
    }

    /// What to give to long work: a line for each step, and bars as far as the client keeps up, since the next one
    /// says more anyway.
    pub fn progress(self) -> impl Fn(Progress) + Send + Sync + 'static {
        move |progress| {
            if progress.current.is_none() || self.0.capacity() > WAITING / 2 {
                self.send(&step(&progress));
            }
        }
    }
}

fn step(progress: &Progress) -> Value {
    let mut fields = Map::new();
    fields.insert("status".to_owned(), json!(progress.status));
    if let Some(id) = &progress.id {
        fields.insert("id".to_owned(), json!(id));
        let mut detail = Map::new();
        for (key, value) in [("current", progress.current), ("total", progress.total)] {
            if let Some(value) = value {
                detail.insert(key.to_owned(), json!(value));
            }
        }
        fields.insert("progressDetail".to_owned(), Value::Object(detail));
    }
    Value::Object(fields)
}

/// The last line of work that failed.
pub fn failure(error: &Error) -> Bytes {
    let message = error.to_string();
    line(&json!({ "errorDetail": { "message": message }, "error": message }))
}

/// Docker ends lines as on a wire.
fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dockers() {
        let says = |progress| step(&progress);
        assert_eq!(
            says(Progress::line("Digest: x")),
            json!({"status": "Digest: x"})
        );
        assert_eq!(
            says(Progress::bar("abc", "Downloading", 1, 2)),
            json!({"id": "abc", "status": "Downloading", "progressDetail": {"current": 1, "total": 2}})
        );
        assert_eq!(
            says(Progress::of("abc", "Pull complete")),
            json!({"id": "abc", "status": "Pull complete", "progressDetail": {}})
        );
        let last = failure(&Error::invalid("no"));
        assert!(last.ends_with(b"\r\n"));
        let last: Value = serde_json::from_slice(&last).unwrap();
        assert_eq!(
            last,
            json!({"errorDetail": {"message": "no"}, "error": "no"})
        );
    }

    #[test]
    fn bars_give_way_to_steps() {
        let (lines, receiver) = channel();
        let progress = lines.progress();
        for done in 0..2 * WAITING as u64 {
            progress(Progress::bar("abc", "Downloading", done, 0));
        }
        let bars = receiver.len();
        progress(Progress::of("abc", "Pull complete"));
        assert!(bars <= WAITING / 2, "{bars}");
        assert_eq!(receiver.len(), bars + 1);
    }
}
