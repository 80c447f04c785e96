//! Following a machine: what its host process says, for as long as one lives.

use std::sync::Arc;

use gantry_machine::control::{Call, Reply, Status};
use gantry_machine::{Paths, State};
use tokio::sync::{Notify, watch};

use super::control::{ControlError, Conversation};
use crate::engine::local;

/// What is known of a machine by its host process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Nobody has been asked yet.
    Unknown,
    /// No host process lives: the machine stands.
    None,
    /// What it said last. A failure stays known after its host process is gone: a person must see it.
    Status(Box<Status>),
}

impl Word {
    /// What the machine does.
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Unknown => None,
            Self::None => Some(&State::Stopped),
            Self::Status(status) => Some(&status.state),
        }
    }

    /// Whether its engine answers, maybe after it is woken.
    pub fn is_up(&self) -> bool {
        matches!(self.state(), Some(State::Running | State::Paused))
    }

    /// Whether nothing more happens without a person.
    pub fn is_settled(&self) -> bool {
        !matches!(
            self.state(),
            None | Some(State::Starting { .. } | State::Stopping)
        )
    }

    fn is_failure(&self) -> bool {
        matches!(self.state(), Some(State::Failed { .. }))
    }
}

/// A machine that is followed.
pub struct Followed {
    /// What is known.
    pub word: watch::Sender<Word>,
    begun: Notify,
}

impl Followed {
    /// Begins to follow the machine with these files.
    pub fn begin(paths: Paths) -> Arc<Self> {
        let followed = Arc::new(Self {
            word: watch::Sender::new(Word::Unknown),
            begun: Notify::new(),
        });
        let told = Arc::clone(&followed);
        tauri::async_runtime::spawn(async move { told.run(&paths).await });
        followed
    }

    /// A host process has been started, or the data is new: what was known of the time before is over.
    pub fn ask_again(&self) {
        self.word.send_if_modified(|word| {
            let over = *word == Word::None || word.is_failure();
            if over {
                *word = Word::Unknown;
            }
            over
        });
        self.begun.notify_one();
    }

    async fn run(&self, paths: &Paths) {
        loop {
            let answers_wrongly = match self.listen(paths).await {
                Ok(()) | Err(ControlError::Away) => false,
                Err(error) => {
                    tracing::warn!(machine = %paths.name(), %error, "the machine's host process");
                    true
                }
            };
            self.word.send_if_modified(|word| {
                let over = *word != Word::None && !word.is_failure();
                if over {
                    *word = Word::None;
                }
                over
            });
            let socket = paths.control_socket();
            tokio::select! {
                () = self.begun.notified() => {}
                appeared = local::appears(&socket, !answers_wrongly) => if let Err(error) = appeared {
                    // Without the kernel's word there is still the start from this window.
                    tracing::warn!(machine = %paths.name(), %error, "a start elsewhere is not noticed");
                    self.begun.notified().await;
                },
            }
        }
    }

    async fn listen(&self, paths: &Paths) -> Result<(), ControlError> {
        let mut conversation = Conversation::begin(paths, &Call::Watch).await?;
        while let Some(reply) = conversation.next().await? {
            if let Reply::Status(status) = reply {
                self.word.send_replace(Word::Status(status));
            }
        }
        Ok(())
    }
}
