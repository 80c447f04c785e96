//! `diff`.

use bollard::models::ChangeType;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::output;

/// Inspect changes to files or directories on a container's filesystem
#[derive(Debug, Args)]
pub struct Diff {
    /// The container
    container: String,
}

impl Diff {
    /// Runs the verb: `C` changed, `A` added, `D` deleted.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let changes = docker.container_changes(&segment(&self.container)).await?;
        let lines: String = changes
            .unwrap_or_default()
            .into_iter()
            .map(|change| {
                let kind = match change.kind {
                    ChangeType::_0 => 'C',
                    ChangeType::_1 => 'A',
                    ChangeType::_2 => 'D',
                };
                format!("{kind} {}\n", output::printable(&change.path))
            })
            .collect();
        output::print(&lines)
    }
}
