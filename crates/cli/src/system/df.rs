//! `system df`.

use clap::Args;
use serde_json::{Value, json};

use super::df_verbose;
use crate::app::App;
use crate::error::{CliError, Result};
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::units;
use crate::template::Template;

const COLUMNS: Columns = Columns {
    headers: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    quiet: "{{.Type}}",
};

/// Show docker disk usage
#[derive(Debug, Args)]
pub struct Df {
    #[command(flatten)]
    format: ListFormat,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

impl Df {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let template = match self.format.format.as_deref() {
            Some("json") => Some(Template::parse("{{json .}}")?),
            Some(text) if !text.is_empty() && !text.starts_with("table") => {
                Some(Template::parse(text)?)
            }
            Some(text) if text.starts_with("table ") && self.verbose => {
                return Err(CliError::invalid(
                    "--verbose shows several tables: a format of it is 'json' or a template without 'table', with .Images, .Containers, .Volumes and .BuildCache",
                ));
            }
            _ => None,
        };
        let format = Format::choose(self.format.format.as_deref(), false, None, &COLUMNS)?;
        let answer = app.daemon()?.get_json("/system/df", &[]).await?;
        if self.verbose {
            return df_verbose::show(&answer, template.as_ref(), &app.clock());
        }
        let rows: Vec<Row> = usages(&answer).iter().map(Usage::row).collect();
        format.show(&rows, &COLUMNS)
    }
}

/// What one kind of thing takes, in bytes.
struct Usage {
    kind: &'static str,
    total: usize,
    active: usize,
    size: i64,
    reclaimable: i64,
    /// Docker shows no share for build cache.
    share: bool,
}

impl Usage {
    fn row(&self) -> Row {
        let mut reclaimable = units::decimal(self.reclaimable as f64, 4);
        if self.share && self.size > 0 {
            reclaimable.push_str(&format!(" ({}%)", self.reclaimable * 100 / self.size));
        }
        json!({
            "Type": self.kind,
            "TotalCount": self.total.to_string(),
            "Active": self.active.to_string(),
            "Size": units::decimal(self.size as f64, 4),
            "Reclaimable": reclaimable,
        })
        .into()
    }
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// Whether a container of this state uses what it has.
fn is_active(container: &Value) -> bool {
    matches!(
        container["State"].as_str(),
        Some("running" | "paused" | "restarting")
    )
}

fn usages(answer: &Value) -> [Usage; 4] {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let images = list(answer, "Images");
    let in_use = |image: &&Value| number(&image["Containers"]) > 0;
    let layers = number(&answer["LayersSize"]);
    let used: i64 = images
        .iter()
        .filter(in_use)
        .filter(|image| number(&image["Size"]) >= 0 && number(&image["SharedSize"]) >= 0)
        .map(|image| number(&image["Size"]) - number(&image["SharedSize"]))
        .sum();
    let containers = list(answer, "Containers");
    let own = |container: &Value| number(&container["SizeRw"]);
    let volumes = list(answer, "Volumes");
    let bytes = |volume: &Value| number(&volume["UsageData"]["Size"]).max(0);
    let linked = |volume: &&Value| number(&volume["UsageData"]["RefCount"]) > 0;
    let cache = list(answer, "BuildCache");
    let is = |entry: &Value, name: &str| entry[name].as_bool().unwrap_or(false);
    [
        Usage {
            kind: "Images",
            total: images.len(),
            active: images.iter().filter(in_use).count(),
            size: layers,
            reclaimable: (layers - used).max(0),
            share: true,
        },
        Usage {
            kind: "Containers",
            total: containers.len(),
            active: containers
                .iter()
                .filter(|container| is_active(container))
                .count(),
            size: containers.iter().map(own).sum(),
            reclaimable: containers
                .iter()
                .filter(|container| !is_active(container))
                .map(own)
                .sum(),
            share: true,
        },
        Usage {
            kind: "Local Volumes",
            total: volumes.len(),
            active: volumes.iter().filter(linked).count(),
            size: volumes.iter().map(bytes).sum(),
            reclaimable: volumes
                .iter()
                .filter(|volume| !linked(volume))
                .map(bytes)
                .sum(),
            share: true,
        },
        Usage {
            kind: "Build Cache",
            total: cache.len(),
            active: cache.iter().filter(|entry| is(entry, "InUse")).count(),
            size: cache
                .iter()
                .filter(|entry| !is(entry, "Shared"))
                .map(|entry| number(&entry["Size"]))
                .sum(),
            reclaimable: cache
                .iter()
                .filter(|entry| !is(entry, "InUse") && !is(entry, "Shared"))
                .map(|entry| number(&entry["Size"]))
                .sum(),
            share: false,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let answer = json!({
            "LayersSize": 133_123_456,
            "Images": [
                {"Size": 100_000_000, "SharedSize": 0, "Containers": 1},
                {"Size": 33_123_456, "SharedSize": 0, "Containers": 0}
            ],
            "Containers": [{"State": "running", "SizeRw": 1000}, {"State": "exited", "SizeRw": 3000}],
            "Volumes": [{"UsageData": {"Size": 2048, "RefCount": 0}}, {"UsageData": null}],
            "BuildCache": null
        });
        let rows: Vec<Row> = usages(&answer).iter().map(Usage::row).collect();
        let format = Format::choose(None, false, None, &COLUMNS).unwrap();
        insta::assert_snapshot!(format.render(&rows, &COLUMNS).unwrap());
    }
}
