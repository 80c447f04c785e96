//! `network inspect`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::{Kind, inspect};

/// Display detailed information on one or more networks
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// The networks
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        inspect(app, Some(Kind::Network), &self.names, &self.format, false).await
    }
}
