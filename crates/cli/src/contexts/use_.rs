//! `context use`.

use clap::Args;

use crate::app::App;
use crate::endpoint::DEFAULT_CONTEXT;
use crate::error::Result;
use crate::output;

/// Set the current docker context
#[derive(Debug, Args)]
pub struct Use {
    /// The context
    context: String,
}

impl Use {
    /// Runs the verb.
    pub fn run(self, app: &mut App) -> Result<()> {
        super::find(app, &self.context)?;
        let kept = (self.context != DEFAULT_CONTEXT).then(|| self.context.clone().into());
        app.config.set("currentContext", kept);
        app.config.save()?;
        output::line(&self.context)?;
        if app.wishes.env_host.is_some() {
            output::tell(format_args!(
                "Warning: DOCKER_HOST environment variable overrides the active context. To use \"{}\", either set the \
                 global --context flag, or unset DOCKER_HOST environment variable.",
                self.context
            ));
        } else {
            output::tell(format_args!("Current context is now \"{}\"", self.context));
        }
        Ok(())
    }
}
