//! `network ls`.

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;
use crate::flags::filter::FilterFlag;
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::text;
use crate::output::time::Clock;

const COLUMNS: Columns = Columns {
    headers: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    quiet: "{{.ID}}",
};

/// List networks
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    filter: FilterFlag,
    #[command(flatten)]
    format: ListFormat,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

impl Ls {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let configured = app.config.text("networksFormat");
        let format = Format::choose(
            self.format.format.as_deref(),
            self.quiet,
            configured,
            &COLUMNS,
        )?;
        let answer = app
            .daemon()?
            .list("/networks", &self.filter.filters())
            .await?;
        let clock = app.clock();
        let mut rows: Vec<Row> = answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|network| row(network, !self.no_trunc, &clock))
            .collect();
        rows.sort_by(|a, b| a.fields["Name"].as_str().cmp(&b.fields["Name"].as_str()));
        format.show(&rows, &COLUMNS)
    }
}

fn row(network: &Value, truncate: bool, clock: &Clock) -> Row {
    let labels = network["Labels"].as_object().cloned().unwrap_or_default();
    let id = network["Id"].as_str().unwrap_or_default();
    let flag =
        |name: &str, otherwise: bool| network[name].as_bool().unwrap_or(otherwise).to_string();
    let fields = json!({
        "ID": if truncate { text::short_id(id) } else { id },
        "Name": network["Name"],
        "Driver": network["Driver"],
        "Scope": network["Scope"],
        "IPv4": flag("EnableIPv4", true),
        "IPv6": flag("EnableIPv6", false),
        "Internal": flag("Internal", false),
        "Labels": text::label_values(&labels),
        "CreatedAt": clock.full_of(network["Created"].as_str().unwrap_or_default()),
    });
    Row { fields, labels }
}
