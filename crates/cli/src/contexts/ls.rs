//! `context ls`.

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::endpoint::context;
use crate::error::Result;
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::printable;

const COLUMNS: Columns = Columns {
    headers: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("DockerEndpoint", "DOCKER ENDPOINT"),
        ("Error", "ERROR"),
    ],
    table: "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
    quiet: "{{.Name}}",
};

/// List contexts
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    format: ListFormat,
    /// Only show context names
    #[arg(short, long)]
    quiet: bool,
}

impl Ls {
    /// Runs the verb.
    pub fn run(self, app: &App) -> Result<()> {
        let format = Format::choose(self.format.format.as_deref(), self.quiet, None, &COLUMNS)?;
        let current = app.wishes.context_name(&app.config)?;
        let mut contexts = vec![super::default(app)?];
        contexts.extend(context::list(app.config.dir())?);
        contexts.sort_by(|a, b| a.name.cmp(&b.name));
        let rows: Vec<Row> = contexts
            .iter()
            .map(|context| {
                json!({
                    "Name": printable(&context.name),
                    "Description": printable(&context.description),
                    "DockerEndpoint": printable(&context.host),
                    "Current": context.name == current,
                    "Error": "",
                    "ContextType": "moby",
                })
                .into()
            })
            .collect();
        format.show(&rows, &COLUMNS)
    }
}
