//! `system df --verbose`: each image, container and volume.

use bollard::models::{ContainerSummary, ImageSummary};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::containers::ls as containers;
use crate::error::{CliError, Result};
use crate::images::ls as images;
use crate::output;
use crate::output::listing::{Columns, Format, Row};
use crate::output::time::Clock;
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

/// Prints the tables of a disk usage's `answer`.
pub fn show(answer: &Value, clock: &Clock) -> Result<()> {
    let images: Vec<ImageSummary> = list(answer, "Images")?;
    let rows: Vec<Row> = images
        .iter()
        .flat_map(|image| images::rows(image, true, false, clock))
        .collect();
    table("Images space usage:", &rows, &IMAGES)?;
    let containers: Vec<ContainerSummary> = list(answer, "Containers")?;
    let rows: Vec<Row> = containers
        .iter()
        .map(|container| containers::row(container, true, clock))
        .collect();
    table("\nContainers space usage:", &rows, &CONTAINERS)?;
    let rows: Vec<Row> = answer["Volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(volumes::row)
        .collect();
    table("\nLocal Volumes space usage:", &rows, &VOLUMES)
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
