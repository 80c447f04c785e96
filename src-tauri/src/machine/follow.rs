//! Following a machine: what its host process says, for as long as one lives.

use std::sync::Arc;

use gantry_machine::client::{Client, ClientError, Seen, look};
use gantry_machine::control::{Call, Status};
use gantry_machine::store::{Store, StoreError};
use gantry_machine::{Paths, State};
use tokio::sync::{Notify, watch};

use crate::engine::local;

/// What is known of a machine by its host process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Nobody has been asked yet.
    Unknown,
    /// No host process lives: the machine stands. How the last run ended, if it failed.
    Down(Option<Box<Status>>),
    /// What it said last.
    Status(Box<Status>),
}

impl Word {
    /// What the machine does.
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Unknown => None,
            Self::Down(None) => Some(&State::Stopped),
            Self::Down(Some(status)) | Self::Status(status) => Some(&status.state),
        }
    }

    /// Whether its engine answers, maybe after it is woken.
    pub fn is_up(&self) -> bool {
        matches!(self.state(), Some(State::Running | State::Paused))
    }

    /// Whether it is on its way up.
    pub fn is_starting(&self) -> bool {
        matches!(self.state(), Some(State::Starting { .. }))
    }

    /// Whether nothing more happens without a person.
    pub fn is_settled(&self) -> bool {
        !matches!(
            self.state(),
            None | Some(State::Starting { .. } | State::Stopping)
        )
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
    pub fn begin(store: Store, paths: Paths) -> Arc<Self> {
        let followed = Arc::new(Self {
            word: watch::Sender::new(Word::Unknown),
            begun: Notify::new(),
        });
        let told = Arc::clone(&followed);
        tauri::async_runtime::spawn(async move { told.run(&store, &paths).await });
        followed
    }

    /// A host process has been started, or the data is new: what was known of the time before is over.
    pub fn ask_again(&self) {
        self.word.send_if_modified(|word| {
            let over = word.is_settled() && !word.is_up();
            if over {
                *word = Word::Unknown;
            }
            over
        });
        self.begun.notify_one();
    }

    async fn run(&self, store: &Store, paths: &Paths) {
        loop {
            let answers_wrongly = match self.listen(paths).await {
                Ok(()) | Err(ClientError::NotRunning(_)) => false,
                Err(error) => {
                    tracing::warn!(machine = %paths.name(), %error, "the machine's host process");
                    true
                }
            };
            let last = match store.get(paths.name()) {
                Ok(machine) => match look(store, &machine).await {
                    Ok(Seen::Down(last)) => last,
                    // One has come meanwhile, or none is asked before the next start takes the machine over.
                    _ => None,
                },
                Err(StoreError::NotFound(_)) => None,
                Err(error) => {
                    tracing::warn!(machine = %paths.name(), %error, "the machine cannot be read");
                    None
                }
            };
            self.word.send_replace(Word::Down(last));
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

    async fn listen(&self, paths: &Paths) -> Result<(), ClientError> {
        let mut client = Client::connect(paths).await?;
        client.ask(&Call::Watch).await?;
        while let Some(status) = client.next_status().await? {
            self.word.send_replace(Word::Status(Box::new(status)));
        }
        Ok(())
    }
}
