//! `volume ls`.

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;
use crate::flags::filter::FilterFlag;
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::{text, units};

/// The headers of a list of volumes.
pub const HEADERS: &[(&str, &str)] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
];
const COLUMNS: Columns = Columns {
    headers: HEADERS,
    table: "{{.Driver}}\t{{.Name}}",
    quiet: "{{.Name}}",
};

/// List volumes
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    filter: FilterFlag,
    #[command(flatten)]
    format: ListFormat,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

impl Ls {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let configured = app.config.text("volumesFormat");
        let format = Format::choose(
            self.format.format.as_deref(),
            self.quiet,
            configured,
            &COLUMNS,
        )?;
        let answer = app
            .daemon()?
            .list("/volumes", &self.filter.filters())
            .await?;
        let mut rows: Vec<Row> = answer["Volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        rows.sort_by(|a, b| a.fields["Name"].as_str().cmp(&b.fields["Name"].as_str()));
        format.show(&rows, &COLUMNS)
    }
}

/// The line of one volume.
pub fn row(volume: &Value) -> Row {
    let labels = volume["Labels"].as_object().cloned().unwrap_or_default();
    let usage = &volume["UsageData"];
    let known = |name: &str| usage[name].as_i64().filter(|number| *number >= 0);
    let fields = json!({
        "Driver": volume["Driver"],
        "Name": volume["Name"],
        "Scope": volume["Scope"],
        "Mountpoint": volume["Mountpoint"],
        "Labels": text::label_values(&labels),
        "Links": known("RefCount").map_or("N/A".to_owned(), |count| count.to_string()),
        "Size": known("Size").map_or("N/A".to_owned(), units::size),
        "Status": "N/A", "Group": "N/A", "Availability": "N/A",
    });
    Row { fields, labels }
}
