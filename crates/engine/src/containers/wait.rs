//! `docker wait`.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Container, Record};
use crate::error::{Error, Result};

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// It doesn't run: at once when it doesn't.
    #[default]
    NotRunning,
    /// Its next end, even when it doesn't run yet.
    NextExit,
    /// It is gone.
    Removed,
}

impl Condition {
    /// Reads `condition`.
    pub fn parse(text: &str) -> Result<Condition> {
        match text {
            "" | "not-running" => Ok(Condition::NotRunning),
            "next-exit" => Ok(Condition::NextExit),
            "removed" => Ok(Condition::Removed),
            other => Err(Error::invalid(format!(
                "invalid condition: \"{}\"",
                other.escape_debug()
            ))),
        }
    }
}

/// A wait that has begun: what happens from now on counts.
#[derive(Debug)]
pub struct Waiting {
    changes: watch::Receiver<Record>,
    condition: Condition,
    exits: u64,
}

/// What a wait came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    /// The exit code.
    pub code: i32,
    /// Why it didn't start, if that is why it ended.
    pub error: String,
}

/// Begins to wait.
pub fn begin(container: &Arc<Container>, condition: Condition) -> Waiting {
    let changes = container.watch();
    let exits = changes.borrow().state.exits;
    Waiting {
        changes,
        condition,
        exits,
    }
}

impl Waiting {
    /// Waits.
    pub async fn done(mut self) -> Waited {
        let (condition, exits) = (self.condition, self.exits);
        let met = |record: &Record| {
            let state = &record.state;
            match condition {
                Condition::NotRunning => {
                    !state.phase.is_alive() && state.phase != super::Phase::Restarting
                }
                Condition::NextExit => state.exits > exits,
                Condition::Removed => false,
            }
        };
        // The sender lives in the container; when that is gone, so is the container.
        let _ = self
            .changes
            .wait_for(|record| record.removed || met(record))
            .await;
        let record = self.changes.borrow().clone();
        Waited {
            code: record.state.exit_code,
            // One that is gone has nothing to complain of any more.
            error: if condition == Condition::Removed {
                String::new()
            } else {
                record.state.error
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::record::tests::record;
    use crate::containers::{ContainerId, Phase};

    async fn ends(condition: Condition, change: impl FnOnce(&mut Record)) -> bool {
        let container = Arc::new(Container::new(record(&ContainerId::random(), "web")));
        let waiting = tokio::spawn(begin(&container, condition).done());
        tokio::task::yield_now().await;
        let mut record = container.record();
        change(&mut record);
        container.set(&container.turn().await, record);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        waiting.is_finished()
    }

    #[tokio::test]
    async fn conditions_are_met_by_what_they_name() {
        assert!(
            ends(Condition::NotRunning, |_| {}).await,
            "a created container doesn't run"
        );
        assert!(
            !ends(Condition::NextExit, |record| record.state.phase =
                Phase::Running)
            .await
        );
        assert!(ends(Condition::NextExit, |record| record.state.exits = 1).await);
        assert!(!ends(Condition::Removed, |record| record.state.exits = 1).await);
        for condition in [Condition::NextExit, Condition::Removed] {
            assert!(ends(condition, |record| record.removed = true).await);
        }
    }
}
