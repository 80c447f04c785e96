//! Networks.

mod inspect;
mod ls;

use clap::Subcommand;

use crate::app::App;
use crate::daemon::{Call, collect};
use crate::error::{CliError, Result};
use crate::flags::filter::{Filters, for_query};
use crate::output;

/// `gantry network …`
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    Inspect(inspect::Inspect),
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
}

impl NetworkCommand {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            NetworkCommand::Inspect(verb) => verb.run(app).await,
            NetworkCommand::Ls(verb) => verb.run(app).await,
        }
    }
}

/// Removes the unused networks that `filters` let through, and prints which. An engine that has none to prune says so
/// by not knowing the call.
pub async fn prune(app: &App, filters: &Filters) -> Result<()> {
    let path = "/networks/prune";
    let call = Call::post(path).query_some("filters", for_query(filters));
    let bytes = match app.daemon()?.call(call).await {
        Ok(response) => collect(response).await?,
        Err(CliError::Daemon {
            status: 404 | 501, ..
        }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let report: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|source| CliError::Answer {
            path: path.to_owned(),
            source,
        })?;
    let deleted: Vec<&str> = report["NetworksDeleted"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    if !deleted.is_empty() {
        output::print(&format!("Deleted Networks:\n{}\n\n", deleted.join("\n")))?;
    }
    Ok(())
}
