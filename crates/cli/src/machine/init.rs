//! `machine init`.

use std::path::PathBuf;

use clap::Args;
use gantry_machine::store::{Machine, Store};
use gantry_machine::{MachineName, Spec, computer, context};

use crate::app::App;
use crate::error::Result;
use crate::output;

/// Make a new machine
#[derive(Debug, Default, Args)]
pub struct Init {
    /// Processors (default: this computer's, at most 4)
    #[arg(long, value_name = "COUNT")]
    cpus: Option<u32>,
    /// Memory (default: a quarter of this computer's, at least 2g, at most 8g)
    #[arg(short, long, value_name = "BYTES", value_parser = super::size)]
    memory: Option<u64>,
    /// Size of the data disk, which takes no more room than what is written to it (default: 64g)
    #[arg(long, value_name = "BYTES", value_parser = super::size)]
    disk: Option<u64>,
    /// Folder that containers may mount; repeatable (default: your home folder)
    #[arg(long, value_name = "FOLDER", value_parser = super::folder)]
    share: Vec<PathBuf>,
    /// Share no folder
    #[arg(long, conflicts_with = "share")]
    no_share: bool,
    /// Let the machine stand still after so many minutes without work
    #[arg(long, value_name = "MINUTES")]
    pause_idle: Option<u32>,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Init {
    /// Runs the verb: prints the machine's name.
    pub fn run(self, app: &App, store: &Store) -> Result<()> {
        let machine = self.make(app, store)?;
        output::line(machine.spec.name)
    }

    /// Makes the machine, and the context that leads to it.
    pub fn make(self, app: &App, store: &Store) -> Result<Machine> {
        let name = self.name.unwrap_or_default();
        let mut spec = Spec::defaults(name, computer::cpus(), computer::memory());
        spec.cpus = self.cpus.unwrap_or(spec.cpus);
        spec.memory = self.memory.unwrap_or(spec.memory);
        spec.disk = self.disk.unwrap_or(spec.disk);
        spec.pause_idle = self.pause_idle;
        spec.shares = self.share;
        if spec.shares.is_empty() && !self.no_share {
            spec.shares.extend(home());
        }
        let machine = store.create(&spec)?;
        if let Some(config) = app.config.dir()
            && let Err(error) =
                context::write(config, &machine.spec.name, &machine.paths.docker_host())
        {
            output::tell(format_args!("WARNING: {error}"));
        }
        Ok(machine)
    }
}

/// The person's home, where it can be shared.
fn home() -> Option<PathBuf> {
    let home = std::env::home_dir()?;
    super::folder(home.to_str()?).ok()
}
