//! `volume create`.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::containers::key_values;
use crate::daemon::{Call, collect};
use crate::error::{CliError, Result};
use crate::output;

/// Create a volume
#[derive(Debug, Args)]
pub struct Create {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Its name; without one it gets one of its own
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    name: String,
}

impl Create {
    /// Runs the verb: prints the volume's name.
    pub async fn run(self, app: &App) -> Result<()> {
        let body = json!({
            "Name": self.name.unwrap_or_default(),
            "Driver": self.driver,
            "DriverOpts": key_values::map(&self.opt),
            "Labels": key_values::labels(&self.label, &[])?,
        });
        let path = "/volumes/create";
        let bytes = collect(app.daemon()?.call(Call::post(path).json(&body)?).await?).await?;
        let created: Created =
            serde_json::from_slice(&bytes).map_err(|source| CliError::Answer {
                path: path.to_owned(),
                source,
            })?;
        output::line(created.name)
    }
}
