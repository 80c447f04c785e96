//! The virtual machine that the engine can run in: what it is, what it does, and what the person may ask of it.
//!
//! A machine belongs to its own host process ([`gantry_machine`]), which outlives this window. The window reads the
//! machine's description from disk, is told of each change over the host process' control socket ([`follow`]), and
//! starts a host process where none lives ([`verbs`]).

pub mod commands;
mod console;
pub mod figures;
mod follow;
mod verbs;
pub mod view;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_machine::client::ClientError;
use gantry_machine::paths::PathError;
use gantry_machine::store::{Store, StoreError};
use gantry_machine::{Home, MachineName, Paths};
use tokio::sync::watch;

use crate::program::Missing;
use follow::Followed;
pub use follow::Word;

/// All machines of the person.
pub struct Machines {
    store: Result<Store, PathError>,
    followed: Mutex<HashMap<MachineName, Arc<Followed>>>,
    /// A description was changed from this window.
    changed: watch::Sender<()>,
}

impl Machines {
    /// Those in the folders that the environment says.
    pub fn from_environment() -> Self {
        Self::of(Home::from_env())
    }

    /// Those in `home`.
    #[cfg(test)]
    pub fn new(home: Home) -> Self {
        Self::of(Ok(home))
    }

    fn of(home: Result<Home, PathError>) -> Self {
        Self {
            store: home.map(Store::new),
            followed: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Where they are described.
    pub fn store(&self) -> Result<&Store, PathError> {
        self.store.as_ref().map_err(PathError::clone)
    }

    /// The files of machine `name`, whether it is there or not.
    pub fn paths(&self, name: &MachineName) -> Result<Paths, PathError> {
        self.store()?.home().machine(name)
    }

    /// The machine whose engine listens at `socket`.
    pub fn listening_at(&self, socket: &Path) -> Option<MachineName> {
        let store = self.store().ok()?;
        let known = store.list().unwrap_or_default().into_iter();
        // The default one may be named before it is made.
        known
            .map(|(name, _)| name)
            .chain([MachineName::default()])
            .find(|name| {
                let paths = store.home().machine(name);
                paths.is_ok_and(|paths| paths.api_socket() == socket)
            })
    }

    /// What is known of machine `name` by its host process, from now on.
    pub fn follow(&self, name: &MachineName) -> Result<watch::Receiver<Word>, PathError> {
        Ok(self.followed(name)?.word.subscribe())
    }

    /// Tells of each change that this window makes to a description.
    fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// One task follows a machine, for as long as the app runs.
    fn followed(&self, name: &MachineName) -> Result<Arc<Followed>, PathError> {
        let store = self.store()?.clone();
        let paths = self.paths(name)?;
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = followed.entry(name.clone());
        Ok(Arc::clone(
            entry.or_insert_with(|| Followed::begin(store, paths)),
        ))
    }
}

/// Why a machine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Its description or its folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No folder for machines.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its host process.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The program that host processes are part of isn't there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It failed while it was stopped.
    #[error("{0}")]
    Failed(String),
    /// The program failed in itself.
    #[error("{0}")]
    Broken(String),
}
