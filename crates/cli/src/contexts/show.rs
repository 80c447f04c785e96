//! `context show`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::output;

/// Print the name of the current context
#[derive(Debug, Args)]
pub struct Show;

impl Show {
    /// Runs the verb.
    pub fn run(self, app: &App) -> Result<()> {
        output::line(app.wishes.context_name(&app.config)?)
    }
}
