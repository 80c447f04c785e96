//! `machine stop`.

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::store::Store;

use super::start::bring_down;
use crate::error::Result;
use crate::output;

/// Stop a machine
#[derive(Debug, Args)]
pub struct Stop {
    /// At once, without letting containers end; what they have not written is lost
    #[arg(short, long)]
    force: bool,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Stop {
    /// Runs the verb: prints the machine's name.
    pub async fn run(self, store: &Store) -> Result<()> {
        let machine = super::named(store, self.name)?;
        bring_down(store, &machine, self.force).await?;
        output::line(machine.spec.name)
    }
}
