//! What can be done with a machine.

use gantry_machine::client::{Client, ClientError, Launcher, Seen, look};
use gantry_machine::control::Call;
use gantry_machine::store::{Machine as Stored, Store, StoreError};
use gantry_machine::{MachineName, Spec, State, computer, context, spec};

use super::view::{Applied, Limits, Machine};
use super::{MachineError, Machines, Word};
use crate::engine::endpoint::docker_config_folder;
use crate::program;

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
            Word::Down(last) => last,
            Word::Status(status) => Some(status),
        };
        let store = self.store()?.clone();
        let name = name.clone();
        blocking(move || match store.get(&name) {
            Ok(machine) => Ok(Machine::of(&machine, status.as_deref())),
            Err(StoreError::NotFound(_)) => {
                let address = store.home().machine(&name)?.docker_host();
                Ok(Machine::missing(&first(name), address))
            }
            Err(error) => Err(error.into()),
        })
        .await
        .map(Some)
    }

    /// Makes the machine where it is missing, and sees that a host process lives, which starts it.
    pub async fn start(&self, name: &MachineName) -> Result<(), MachineError> {
        let store = self.store()?.clone();
        let followed = self.followed(name)?;
        let wanted = name.clone();
        let machine = blocking(move || {
            let machine = made(&store, &wanted)?;
            // Its folder may have moved since it was made: another user's runtime folder, another home.
            register(&machine);
            Ok(machine)
        })
        .await?;
        self.changed.send_replace(());
        let launched = launcher()?.start(&machine).await;
        followed.ask_again();
        Ok(launched?)
    }

    /// Stops the machine, whatever it is doing, and waits until its host process is gone.
    pub async fn stop(&self, name: &MachineName, force: bool) -> Result<(), MachineError> {
        let store = self.store()?;
        let machine = match store.get(name) {
            Err(StoreError::NotFound(_)) => return Ok(()),
            found => found?,
        };
        match look(store, &machine).await? {
            Seen::Down(_) => return Ok(()),
            Seen::Hosted(_) => {}
            // Someone must take it over to end it well.
            Seen::Unattended => launcher()?.start(&machine).await?,
        }
        let mut client = match Client::connect(&machine.paths).await {
            Err(ClientError::NotRunning(_)) => return Ok(()),
            connected => connected?,
        };
        client.ask(&Call::Stop { force }).await?;
        while let Some(status) = client.next_status().await? {
            match status.state {
                State::Stopped => return Ok(()),
                State::Failed { cause } => return Err(MachineError::Failed(cause.message)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets what the machine may use, and makes it where it is missing.
    pub async fn set(&self, name: &MachineName, limits: Limits) -> Result<Applied, MachineError> {
        let store = self.store()?.clone();
        let wanted = name.clone();
        let (before, after) = blocking(move || {
            let limited = |mut spec: Spec| {
                spec.cpus = limits.cpus;
                spec.memory = limits.memory;
                spec.disk = limits.disk;
                spec
            };
            let before = match store.get(&wanted) {
                // Made with these: a disk that was larger first could not become smaller.
                Err(StoreError::NotFound(_)) => {
                    let machine = store.create(&limited(first(wanted)))?;
                    register(&machine);
                    return Ok((machine.spec.clone(), machine));
                }
                found => found?.spec,
            };
            let after = store.change(&wanted, |spec| {
                *spec = limited(spec.clone());
                Ok(())
            })?;
            Ok((before, after))
        })
        .await?;
        self.changed.send_replace(());
        let mut client = match Client::connect(&after.paths).await {
            // The next start takes everything.
            Err(ClientError::NotRunning(_)) => return Ok(Applied::Now),
            connected => connected?,
        };
        let mut applied = before.cpus == after.spec.cpus;
        if before.disk != after.spec.disk {
            let bytes = after.spec.disk;
            applied &= client.wish(&Call::Disk { bytes }).await.is_ok();
        }
        if before.memory != after.spec.memory {
            let bytes = after.spec.memory;
            // The balloon takes what the guest shall have no more. It gives nothing that the start didn't.
            applied &= client.wish(&Call::Memory { bytes }).await.is_ok() && bytes < before.memory;
        }
        Ok(if applied {
            Applied::Now
        } else {
            Applied::AtNextStart
        })
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

/// Host processes are the command line's: they outlive this window, and need none.
fn launcher() -> Result<Launcher, MachineError> {
    Ok(Launcher {
        program: program::beside_or_on_path("gantry")?,
    })
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

/// Lets docker's command line find the machine by the name of a context.
fn register(machine: &Stored) {
    let Some(config) = docker_config_folder() else {
        return;
    };
    let host = machine.paths.docker_host();
    if let Err(error) = context::write(&config, &machine.spec.name, &host) {
        tracing::warn!(machine = %machine.spec.name, %error, "no docker context leads to it");
    }
}

/// What a machine is to be that the person has said nothing of: the home folder can be mounted.
fn first(name: MachineName) -> Spec {
    let mut spec = Spec::defaults(name, computer::cpus(), computer::memory());
    spec.shares = std::env::home_dir()
        .filter(|home| spec::check_share(home).is_ok())
        .into_iter()
        .collect();
    spec
}

/// The store waits for locks and disks.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MachineError> + Send + 'static,
) -> Result<T, MachineError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(MachineError::Broken(error.to_string())))
}
