//! `machine reset`.

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::store::Store;

use super::start::bring_down;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::output;

/// Make a machine as it was when it was new
#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    force: ForceFlag,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Reset {
    /// Runs the verb: prints the machine's name.
    pub async fn run(self, store: &Store) -> Result<()> {
        let machine = super::named(store, self.name)?;
        let name = &machine.spec.name;
        let warning = format!(
            "This stops machine {name} and removes all its containers, images and volumes."
        );
        if !self.force.confirm(&warning)? {
            return Ok(());
        }
        bring_down(store, &machine, true).await?;
        store.reset(name)?;
        output::line(name)
    }
}
