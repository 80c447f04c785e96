//! What this app can do about an engine that doesn't answer, by who keeps it.

use gantry_machine::{MachineName, State};
use tokio::sync::watch;

use super::{Unreached, appears};
use crate::engine::endpoint::{Endpoint, Keeper};
use crate::engine::{AwayReason, Engine, EngineState};
use crate::machine::{Machines, Word};

/// An engine, and who keeps it.
pub enum Kept<'a> {
    /// This app, as a program of this system.
    #[cfg(target_os = "linux")]
    Native {
        /// Where it listens.
        socket: &'a std::path::Path,
    },
    /// This app, in a machine.
    Machine {
        /// All machines.
        machines: &'a Machines,
        /// Which one.
        name: &'a MachineName,
        /// What its host process says.
        word: watch::Receiver<Word>,
    },
    /// Someone else.
    Elsewhere,
}

impl<'a> Kept<'a> {
    pub fn of(endpoint: &'a Endpoint, machines: &'a Machines) -> Self {
        match &endpoint.keeper {
            #[cfg(target_os = "linux")]
            Keeper::Native => match &endpoint.address {
                crate::engine::endpoint::Address::Local(socket) => Self::Native { socket },
                crate::engine::endpoint::Address::Tcp(_) => Self::Elsewhere,
            },
            #[cfg(not(target_os = "linux"))]
            Keeper::Native => Self::Elsewhere,
            Keeper::Machine(name) => match machines.follow(name) {
                Ok(word) => Self::Machine {
                    machines,
                    name,
                    word,
                },
                // Its address was made of the same paths.
                Err(_) => Self::Elsewhere,
            },
            Keeper::Elsewhere => Self::Elsewhere,
        }
    }

    /// Whether the app may start it where it doesn't answer.
    pub fn can_start(&self) -> bool {
        !matches!(self, Self::Elsewhere)
    }

    /// Whether it is worth to ask the engine: not of a machine that isn't up, whose socket may be there already.
    pub async fn is_up(&mut self) -> Result<(), Unreached> {
        let Self::Machine { word, .. } = self else {
            return Ok(());
        };
        // Told by a task that lives as long as the app.
        let known = word.wait_for(|word| *word != Word::Unknown).await;
        if known.is_ok_and(|word| word.is_up()) {
            return Ok(());
        }
        Err(Unreached {
            reason: AwayReason::NotAnswering,
            detail: String::new(),
        })
    }

    /// Whether someone has started it: this window, or the command line.
    pub fn is_starting(&self) -> bool {
        matches!(self, Self::Machine { word, .. } if word.borrow().is_starting())
    }

    /// Starts it where nobody has, and waits until it answers.
    pub async fn start(&mut self, engine: &Engine) -> Result<(), Unreached> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Native { socket } => {
                let starting = |asking| {
                    engine.state.send_replace(EngineState::Starting { asking });
                };
                starting(false);
                crate::engine::native::launch::start(socket, || starting(true))
                    .await
                    .map_err(|error| Unreached {
                        reason: error.reason(),
                        detail: error.to_string(),
                    })
            }
            Self::Machine {
                machines,
                name,
                word,
            } => {
                engine.state.send_replace(EngineState::Booting {
                    machine: name.to_string(),
                });
                let starting = word.borrow().is_starting();
                if !starting {
                    machines.start(name).await.map_err(|error| Unreached {
                        reason: AwayReason::MachineFailed,
                        detail: error.to_string(),
                    })?;
                }
                up(word).await
            }
            Self::Elsewhere => Ok(()),
        }
    }

    /// Why it doesn't answer, where a machine's state says it.
    pub fn why_not(&self) -> Option<AwayReason> {
        match self {
            Self::Machine { word, .. } => Some(match word.borrow().state() {
                Some(State::Failed { .. }) => AwayReason::MachineFailed,
                _ => AwayReason::MachineStopped,
            }),
            _ => None,
        }
    }

    /// Waits until it may answer again, or is started.
    pub async fn appears(&mut self, endpoint: &Endpoint, at_once: bool) {
        let Self::Machine { word, .. } = self else {
            return appears(&endpoint.address, at_once).await;
        };
        if !at_once {
            // What runs and answers wrongly is not asked again before something changes.
            let _ = word.changed().await;
        }
        let comes = |word: &Word| word.is_up() || word.is_starting();
        if word.wait_for(comes).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Waits until a machine that is being started runs, or does so no more.
async fn up(word: &mut watch::Receiver<Word>) -> Result<(), Unreached> {
    let told = word.wait_for(Word::is_settled).await;
    let unreached = |reason, detail| Err(Unreached { reason, detail });
    match told.as_deref().map(Word::state) {
        Ok(Some(State::Running | State::Paused)) => Ok(()),
        Ok(Some(State::Failed { cause })) => {
            unreached(AwayReason::MachineFailed, cause.message.clone())
        }
        _ => unreached(AwayReason::MachineStopped, String::new()),
    }
}
