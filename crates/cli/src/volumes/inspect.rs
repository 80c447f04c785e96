//! `volume inspect`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::{Kind, inspect};

/// Display detailed information on one or more volumes
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// The volumes
    #[arg(required = true, value_name = "VOLUME")]
    names: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        inspect(app, Some(Kind::Volume), &self.names, &self.format, false).await
    }
}
