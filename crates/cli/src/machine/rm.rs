//! `machine rm`.

use clap::Args;
use gantry_machine::store::Store;
use gantry_machine::{MachineName, context};

use super::start::bring_down;
use crate::app::App;
use crate::error::Result;
use crate::flags::confirm::ForceFlag;
use crate::output;

/// Remove a machine with all its data
#[derive(Debug, Args)]
pub struct Rm {
    #[command(flatten)]
    force: ForceFlag,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Rm {
    /// Runs the verb: prints the machine's name.
    pub async fn run(self, app: &mut App, store: &Store) -> Result<()> {
        let name = self.name.unwrap_or_default();
        // One whose description can't be read must be removable all the same.
        let found = store.get(&name);
        let warning = format!(
            "This stops machine {name} and removes it with all its containers, images and volumes."
        );
        if !self.force.confirm(&warning)? {
            return Ok(());
        }
        if let Ok(machine) = &found {
            bring_down(store, machine, true).await?;
        }
        store.remove(&name)?;
        if let Some(config) = app.config.dir()
            && let Err(error) = context::remove(config, &name)
        {
            output::tell(format_args!("WARNING: {error}"));
        }
        if app.config.current_context() == Some(name.context()) {
            app.config.set("currentContext", None);
            app.config.save()?;
        }
        output::line(name)
    }
}
