//! `history`.

use clap::Args;
use clap::builder::ArgAction;
use serde_json::{Value, json};

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::time::Clock;
use crate::output::{printable, text, units};

const COLUMNS: Columns = Columns {
    headers: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    table: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    quiet: "{{.ID}}",
};
const COLUMNS_EXACT: Columns = Columns {
    headers: COLUMNS.headers,
    table: "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    quiet: COLUMNS.quiet,
};
/// Docker cuts commands here.
const COMMAND_LENGTH: usize = 45;

/// Show the history of an image
#[derive(Debug, Args)]
pub struct History {
    #[command(flatten)]
    format: ListFormat,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, action = ArgAction::Set, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// The image
    image: String,
}

impl History {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let columns = if self.human { COLUMNS } else { COLUMNS_EXACT };
        let format = Format::choose(self.format.format.as_deref(), self.quiet, None, &columns)?;
        let path = format!("/images/{}/history", segment(&self.image));
        let steps = app.daemon()?.get_json(&path, &[]).await?;
        let clock = app.clock();
        let rows: Vec<Row> = steps
            .as_array()
            .into_iter()
            .flatten()
            .map(|step| row(step, !self.no_trunc, self.human, &clock))
            .collect();
        format.show(&rows, &columns)
    }
}

fn row(step: &Value, truncate: bool, human: bool, clock: &Clock) -> Row {
    let word = |name: &str| printable(step[name].as_str().unwrap_or_default());
    let number = |name: &str| step[name].as_i64().unwrap_or_default();
    let command = word("CreatedBy").replace('\t', " ");
    let id = word("Id");
    let size = number("Size");
    json!({
        "ID": if truncate { text::short_id(&id) } else { &id },
        "CreatedSince": if number("Created") > 0 { clock.ago(number("Created")) } else { "N/A".to_owned() },
        "CreatedAt": clock.seconds(number("Created")),
        "CreatedBy": if truncate { text::ellipsis(&command, COMMAND_LENGTH) } else { command },
        "Size": if human { units::size(size) } else { size.to_string() },
        "Comment": word("Comment"),
    })
    .into()
}
