//! `machine set`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use gantry_machine::client::{Client, ClientError};
use gantry_machine::control::Call;
use gantry_machine::store::{Machine, Store};
use gantry_machine::{MachineName, Spec};

use crate::error::{CliError, Result};
use crate::output;

/// Change a machine's limits and folders
#[derive(Debug, Args)]
pub struct Set {
    /// Processors
    #[arg(long, value_name = "COUNT")]
    cpus: Option<u32>,
    /// Memory
    #[arg(short, long, value_name = "BYTES", value_parser = super::size)]
    memory: Option<u64>,
    /// Size of the data disk; it only grows
    #[arg(long, value_name = "BYTES", value_parser = super::size)]
    disk: Option<u64>,
    /// Another folder that containers may mount; repeatable
    #[arg(long, value_name = "FOLDER", value_parser = super::folder)]
    share: Vec<PathBuf>,
    /// A folder that containers may mount no longer; repeatable
    #[arg(long, value_name = "FOLDER")]
    unshare: Vec<PathBuf>,
    /// Minutes without work after which the machine stands still, or 'off'
    #[arg(long, value_name = "MINUTES")]
    pause_idle: Option<Minutes>,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

/// A number of minutes, or none.
#[derive(Debug, Clone, Copy)]
struct Minutes(Option<u32>);

impl FromStr for Minutes {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Minutes, String> {
        match text {
            "off" => Ok(Minutes(None)),
            _ => match text.parse() {
                Ok(minutes @ 1..) => Ok(Minutes(Some(minutes))),
                _ => Err("use a number of minutes, or 'off'".to_owned()),
            },
        }
    }
}

impl Set {
    /// Runs the verb: says of each change when it applies.
    pub async fn run(self, store: &Store) -> Result<()> {
        let name = self.name.clone().unwrap_or_default();
        let before = store.get(&name)?;
        let unknown = self
            .unshare
            .iter()
            .find(|folder| !before.spec.shares.contains(folder));
        if let Some(folder) = unknown {
            return Err(CliError::invalid(format!(
                "{} is not shared. `gantry machine inspect` shows what is",
                folder.display()
            )));
        }
        let after = store.change(&name, |spec| {
            self.apply(spec);
            Ok(())
        })?;
        if after.spec == before.spec {
            output::tell("Nothing was changed.");
            return Ok(());
        }
        self.tell(&before.spec, &after).await?;
        output::line(name)
    }

    fn apply(&self, spec: &mut Spec) {
        spec.cpus = self.cpus.unwrap_or(spec.cpus);
        spec.memory = self.memory.unwrap_or(spec.memory);
        spec.disk = self.disk.unwrap_or(spec.disk);
        spec.shares.retain(|folder| !self.unshare.contains(folder));
        for folder in &self.share {
            if !spec.shares.contains(folder) {
                spec.shares.push(folder.clone());
            }
        }
        if let Some(Minutes(minutes)) = self.pause_idle {
            spec.pause_idle = minutes;
        }
    }

    /// Applies at once what can be, and says what can't.
    async fn tell(&self, before: &Spec, after: &Machine) -> Result<()> {
        let mut client = match Client::connect(&after.paths).await {
            Ok(client) => client,
            // The next start takes everything.
            Err(ClientError::NotRunning(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut later: Vec<&str> = Vec::new();
        if after.spec.disk != before.disk {
            let bytes = after.spec.disk;
            match client.wish(&Call::Disk { bytes }).await {
                Ok(()) => output::tell("The disk has grown."),
                Err(error) => {
                    output::tell(format_args!("The disk does not grow now: {error}"));
                    later.push("the disk's size");
                }
            }
        }
        if after.spec.memory != before.memory {
            let bytes = after.spec.memory;
            match client.wish(&Call::Memory { bytes }).await {
                Ok(()) if bytes < before.memory => {
                    output::tell("The guest gives memory back now.");
                }
                _ => later.push("the memory"),
            }
        }
        if after.spec.cpus != before.cpus {
            later.push("the processors");
        }
        if after.spec.shares != before.shares {
            later.push("the folders");
        }
        if after.spec.pause_idle != before.pause_idle {
            later.push("the pause");
        }
        if !later.is_empty() {
            output::tell(format_args!(
                "The machine's next start applies: {}.",
                later.join(", ")
            ));
        }
        Ok(())
    }
}
