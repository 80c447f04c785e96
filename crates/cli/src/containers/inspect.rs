//! `container inspect`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::{Kind, inspect};

/// Display detailed information on one or more containers
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        inspect(
            app,
            Some(Kind::Container),
            &self.names,
            &self.format,
            self.size,
        )
        .await
    }
}
