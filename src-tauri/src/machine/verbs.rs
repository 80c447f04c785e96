//! What can be done with a machine.

use gantry_machine::control::Call;
use gantry_machine::store::{Machine as Stored, Store, StoreError};
use gantry_machine::{MachineName, Spec};

use super::computer::Computer;
use super::control::{ControlError, Conversation, ask};
use super::view::{Applied, Limits, Machine};
use super::{MachineError, Machines, Word, host};

impl Machines {
    /// All machines by name, the one that a first start makes among them.
    pub async fn names(&self) -> Result<Vec<MachineName>, MachineError> {
        let store = self.store()?.clone();
        let listed = blocking(move || Ok(store.list()?)).await?;
        let mut names: Vec<MachineName> = listed.into_iter().map(|(name, _)| name).collect();
        if !names.contains(&MachineName::default()) {
            names.insert(0, MachineName::default());
        }
        Ok(names)
    }

    /// What is known of machine `name`, with its host process' `word`; `None` where that isn't known yet.
    pub async fn look(
        &self,
        name: &MachineName,
        word: Word,
    ) -> Result<Option<Machine>, MachineError> {
        let status = match word {
            Word::Unknown => return Ok(None),
            Word::None => None,
            Word::Status(status) => Some(status),
        };
        let store = self.store()?.clone();
        let name = name.clone();
        blocking(move || {
            let computer = Computer::this();
            match store.get(&name) {
                Ok(machine) => Ok(Machine::of(&machine, status.as_deref(), computer)),
                Err(StoreError::NotFound(_)) => {
                    let address = store.home().machine(&name)?.docker_host();
                    Ok(Machine::missing(&first(name), address, computer))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
        .map(Some)
    }

    /// Makes the machine where it is missing, and sees that a host process lives, which starts it.
    pub async fn start(&self, name: &MachineName) -> Result<(), MachineError> {
        let store = self.store()?.clone();
        let followed = self.followed(name)?;
        let wanted = name.clone();
        let (machine, hosted) = blocking(move || {
            let machine = made(&store, &wanted)?;
            Ok((machine, store.is_hosted(&wanted)?))
        })
        .await?;
        self.changed.send_replace(());
        if !hosted {
            host::start(&machine).await?;
        }
        followed.ask_again();
        Ok(())
    }

    /// Stops the machine, and waits until its host process is gone.
    pub async fn stop(&self, name: &MachineName, force: bool) -> Result<(), MachineError> {
        let paths = self.paths(name)?;
        let mut conversation = match Conversation::begin(&paths, &Call::Stop { force }).await {
            Err(ControlError::Away) => return Ok(()),
            begun => begun?,
        };
        while conversation.next().await?.is_some() {}
        Ok(())
    }

    /// Sets what the machine may use, and makes it where it is missing.
    pub async fn set(&self, name: &MachineName, limits: Limits) -> Result<Applied, MachineError> {
        let store = self.store()?.clone();
        let wanted = name.clone();
        let (before, after) = blocking(move || {
            made(&store, &wanted)?;
            let mut before = None;
            let machine = store.change(&wanted, |spec| {
                before = Some(spec.clone());
                spec.cpus = limits.cpus;
                spec.memory = limits.memory;
                spec.disk = limits.disk;
                Ok(())
            })?;
            Ok((before.unwrap_or_else(|| machine.spec.clone()), machine))
        })
        .await?;
        self.changed.send_replace(());
        let (store, wanted) = (self.store()?.clone(), name.clone());
        if !blocking(move || Ok(store.is_hosted(&wanted)?)).await? {
            return Ok(Applied::Now);
        }
        let same_but_memory = Spec {
            memory: before.memory,
            ..after.spec.clone()
        } == before;
        if same_but_memory && after.spec.memory <= before.memory {
            // The balloon takes what the guest shall have no more.
            let bytes = after.spec.memory;
            ask(&after.paths, &Call::Memory { bytes }).await?;
            return Ok(Applied::Now);
        }
        Ok(Applied::AtNextStart)
    }

    /// Makes the machine's data new; it is stopped for that.
    pub async fn reset(&self, name: &MachineName) -> Result<(), MachineError> {
        self.stop(name, true).await?;
        let store = self.store()?.clone();
        let wanted = name.clone();
        blocking(move || Ok(store.reset(&wanted)?)).await?;
        self.followed(name)?.ask_again();
        self.changed.send_replace(());
        Ok(())
    }
}

/// The machine `name`, made where it is missing.
fn made(store: &Store, name: &MachineName) -> Result<Stored, StoreError> {
    match store.get(name) {
        Err(StoreError::NotFound(_)) => match store.create(&first(name.clone())) {
            // Someone else was faster.
            Err(StoreError::Exists(_)) => store.get(name),
            created => created,
        },
        found => found,
    }
}

/// What a machine is to be that the person has said nothing of: the home folder can be mounted.
fn first(name: MachineName) -> Spec {
    let computer = Computer::this();
    let mut spec = Spec::defaults(name, computer.cpus, computer.memory);
    spec.shares = std::env::home_dir()
        .filter(|home| gantry_machine::spec::check_share(home).is_ok())
        .into_iter()
        .collect();
    spec
}

/// The store waits for locks and disks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MachineError> + Send + 'static,
) -> Result<T, MachineError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(MachineError::Broken(error.to_string())))
}
