//! `top`.

use bollard::query_parameters::TopOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};
use crate::output::{self, table};

/// The least width of a column.
const WIDTH: usize = 20;

/// Display the running processes of a container
#[derive(Debug, Args)]
#[command(override_usage = "gantry top CONTAINER [ps OPTIONS]")]
pub struct Top {
    /// The container, and options of `ps`
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "CONTAINER [ps OPTIONS]"
    )]
    container_and_options: Vec<String>,
}

impl Top {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let Some((container, options)) = self.container_and_options.split_first() else {
            return Err(CliError::invalid("no container was named"));
        };
        let options = (!options.is_empty())
            .then(|| TopOptionsBuilder::new().ps_args(&options.join(" ")).build());
        let docker = app.daemon()?.docker();
        let list = docker.top_processes(&segment(container), options).await?;
        let rows = std::iter::once(list.titles.unwrap_or_default())
            .chain(list.processes.unwrap_or_default());
        let lines: Vec<String> = rows
            .map(|cells| output::printable(&cells.join("\t")))
            .collect();
        output::print(&table::layout(&lines, WIDTH))
    }
}
