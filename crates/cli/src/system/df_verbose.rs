//! `system df --verbose`: each image, container and volume.

use bollard::models::{ContainerSummary, ImageSummary};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::containers::ls as containers;
use crate::error::{CliError, Result};
use crate::images::ls as images;
use crate::output::listing::{Columns, Format, Row, sorted};
use crate::output::time::Clock;
use crate::output::{self, text, units};
use crate::template::Template;
use crate::volumes;

const IMAGES: Columns = Columns {
    headers: images::HEADERS,
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    quiet: "{{.ID}}",
};
const CONTAINERS: Columns = Columns {
    headers: containers::HEADERS,
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
    quiet: "{{.ID}}",
};
const VOLUMES: Columns = Columns {
    headers: volumes::HEADERS,
    table: "{{.Name}}\t{{.Links}}\t{{.Size}}",
    quiet: "{{.Name}}",
};

const CACHE: Columns = Columns {
    headers: &[
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ],
    table: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
    quiet: "{{.ID}}",
};

/// Shows a disk usage's `answer`: as tables, or by `template` with a list for each kind.
pub fn show(answer: &Value, template: Option<&Template>, clock: &Clock) -> Result<()> {
    // Ids are cut for people's eyes only.
    let truncate = template.is_none();
    let images: Vec<ImageSummary> = list(answer, "Images")?;
    let images: Vec<Row> = images
        .iter()
        // An image takes its space once, however many names it has.
        .filter_map(|image| {
            images::rows(image, truncate, false, clock)
                .into_iter()
                .next()
        })
        .collect();
    let mut containers: Vec<ContainerSummary> = list(answer, "Containers")?;
    let containers: Vec<Row> = containers
        .iter_mut()
        .map(|container| {
            // The image's part is in the table above.
            container.size_root_fs = None;
            containers::row(container, truncate, clock)
        })
        .collect();
    let rows = |name: &str, row: &dyn Fn(&Value) -> Row| -> Vec<Row> {
        let all = answer[name].as_array().into_iter().flatten();
        all.map(row).collect()
    };
    let volumes = rows("Volumes", &volumes::row);
    let cache = rows("BuildCache", &|entry| cached(entry, clock));
    if let Some(template) = template {
        let fields =
            |rows: Vec<Row>| -> Value { rows.iter().map(|row| sorted(&row.fields)).collect() };
        let all = json!({
            "Images": fields(images), "Containers": fields(containers), "Volumes": fields(volumes),
            "BuildCache": fields(cache),
        });
        return output::line(template.render(&all)?);
    }
    table("Images space usage:", &images, &IMAGES)?;
    table("\nContainers space usage:", &containers, &CONTAINERS)?;
    table("\nLocal Volumes space usage:", &volumes, &VOLUMES)?;
    let size: i64 = answer["BuildCache"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["Shared"] != true)
        .filter_map(|entry| entry["Size"].as_i64())
        .sum();
    let title = format!("\nBuild cache usage: {}", units::decimal(size as f64, 4));
    table(&title, &cache, &CACHE)
}

/// The line of one entry of the build cache.
fn cached(entry: &Value, clock: &Clock) -> Row {
    let word = |name: &str| output::printable(entry[name].as_str().unwrap_or_default());
    let ago = |name: &str| clock.ago_of(entry[name].as_str().unwrap_or_default());
    json!({
        "ID": text::short_id(&word("ID")),
        "CacheType": word("Type"),
        "Size": units::size(entry["Size"].as_i64().unwrap_or_default()),
        "CreatedSince": ago("CreatedAt"),
        "LastUsedSince": ago("LastUsedAt"),
        "UsageCount": entry["UsageCount"].as_i64().unwrap_or_default().to_string(),
        "Shared": entry["Shared"].as_bool().unwrap_or_default().to_string(),
        "Description": word("Description"),
    })
    .into()
}

fn list<T: DeserializeOwned>(answer: &Value, name: &str) -> Result<Vec<T>> {
    match &answer[name] {
        Value::Null => Ok(Vec::new()),
        list => serde_json::from_value(list.clone()).map_err(|source| CliError::Answer {
            path: "/system/df".to_owned(),
            source,
        }),
    }
}

fn table(title: &str, rows: &[Row], columns: &Columns) -> Result<()> {
    let format = Format::choose(None, false, None, columns)?;
    output::print(&format!("{title}\n\n{}", format.render(rows, columns)?))
}
