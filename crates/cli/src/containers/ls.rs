//! `ps`, also called `container ls`.

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use clap::Args;
use serde_json::json;

use super::ports_shown::ports;
use crate::app::App;
use crate::error::Result;
use crate::flags::filter::{FilterFlag, for_bollard};
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::time::Clock;
use crate::output::{self, printable, text, units};

/// The headers of a list of containers.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];
const COLUMNS: Columns = Columns {
    headers: HEADERS,
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    quiet: "{{.ID}}",
};
const COLUMNS_WITH_SIZE: Columns = Columns {
    headers: HEADERS,
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}",
    quiet: COLUMNS.quiet,
};

/// List containers
#[derive(Debug, Args)]
pub struct Ls {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    filter: FilterFlag,
    #[command(flatten)]
    format: ListFormat,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, default_value_t = -1, value_name = "COUNT")]
    last: i32,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

impl Ls {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let columns = if self.size {
            COLUMNS_WITH_SIZE
        } else {
            COLUMNS
        };
        let configured = app.config.text("psFormat");
        let mut asked = self.format.format.as_deref();
        if self.quiet && asked.is_some_and(|format| !format.is_empty()) {
            output::tell(
                "WARNING: Ignoring custom format, because both --format and --quiet are set.",
            );
            asked = None;
        }
        let format = Format::choose(asked, self.quiet, configured, &columns)?;
        let limit = if self.latest && self.last < 0 {
            1
        } else {
            self.last
        };
        let mut options = ListContainersOptionsBuilder::new()
            .all(self.all || limit > 0)
            .size(self.size || format.shows("Size"))
            .filters(&for_bollard(self.filter.filters()));
        if limit > 0 {
            options = options.limit(limit);
        }
        let containers = app
            .daemon()?
            .docker()
            .list_containers(Some(options.build()))
            .await?;
        let clock = app.clock();
        let rows: Vec<Row> = containers
            .iter()
            .map(|container| row(container, !self.no_trunc, &clock))
            .collect();
        format.show(&rows, &columns)
    }
}

/// The line of one container.
pub fn row(container: &ContainerSummary, truncate: bool, clock: &Clock) -> Row {
    let id = container.id.as_deref().unwrap_or_default();
    let labels = container.labels.clone().unwrap_or_default();
    let created = container.created.unwrap_or_default();
    let mounts = container.mounts.as_deref().unwrap_or_default();
    let networks = container
        .network_settings
        .as_ref()
        .and_then(|settings| settings.networks.as_ref())
        .map(|networks| text::sorted(networks.keys()))
        .unwrap_or_default();
    let command = container.command.as_deref().unwrap_or_default();
    let command = if truncate {
        text::ellipsis(command, 20)
    } else {
        command.to_owned()
    };
    let mount_names = mounts.iter().map(|mount| {
        let name = mount.name.as_deref().filter(|name| !name.is_empty());
        let name = name.or(mount.source.as_deref()).unwrap_or_default();
        if truncate {
            text::ellipsis(name, 15)
        } else {
            name.to_owned()
        }
    });
    let fields = json!({
        "ID": if truncate { text::short_id(id) } else { id },
        "Image": image(container, truncate),
        "Command": text::quoted(&command),
        "RunningFor": clock.ago(created),
        "CreatedAt": clock.full(created),
        "Status": printable(container.status.as_deref().unwrap_or_default()),
        "State": container.state.map(|state| state.to_string()).unwrap_or_default(),
        "Ports": ports(container.ports.as_deref().unwrap_or_default()),
        "Names": names(container, truncate),
        "Size": size(container),
        "Labels": text::labels(&labels),
        "Mounts": mount_names.collect::<Vec<_>>().join(","),
        "LocalVolumes": mounts.iter().filter(|mount| mount.driver.as_deref() == Some("local")).count().to_string(),
        "Networks": networks.join(","),
        "Platform": null,
    });
    Row {
        fields,
        labels: labels
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect(),
    }
}

fn image(container: &ContainerSummary, truncate: bool) -> String {
    let image = container.image.as_deref().unwrap_or_default();
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    let id = container.image_id.as_deref().unwrap_or_default();
    if truncate && !id.is_empty() && text::short_id(image) == text::short_id(id) {
        return text::short_id(image).to_owned();
    }
    image.to_owned()
}

/// Its own names; those it has by links to it have a second slash.
fn names(container: &ContainerSummary, truncate: bool) -> String {
    let names = container.names.as_deref().unwrap_or_default();
    let names = names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name));
    let names: Vec<&str> = names
        .filter(|name| !truncate || !name.contains('/'))
        .collect();
    names.join(",")
}

fn size(container: &ContainerSummary) -> String {
    let own = units::size(container.size_rw.unwrap_or_default());
    match container.size_root_fs.unwrap_or_default() {
        0 => own,
        all => format!("{own} (virtual {})", units::size(all)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn containers() -> Vec<ContainerSummary> {
        serde_json::from_value(json!([
            {
                "Id": "4f1c2a6bb1a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c",
                "Names": ["/web", "/other/alias"], "Image": "nginx:latest", "ImageID": "sha256:aa",
                "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'", "Created": 1_795_535_820,
                "State": "running", "Status": "Up 3 minutes",
                "Ports": [
                    {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                    {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                    {"PrivatePort": 443, "Type": "tcp"}
                ],
                "Labels": {"b": "2", "a": "1"}, "SizeRw": 1234, "SizeRootFs": 5_000_000,
                "NetworkSettings": {"Networks": {"bridge": {}}},
                "Mounts": [{"Type": "volume", "Name": "a-rather-long-volume-name", "Driver": "local"}]
            },
            {
                "Id": "cafe", "Names": ["/job"], "Image": "sha256:bb", "ImageID": "sha256:bb",
                "Command": "true", "Created": 1_795_535_999, "State": "exited",
                "Status": "Exited (0) Less than a second ago", "Labels": null
            }
        ]))
        .unwrap()
    }

    fn shown(format: Option<&str>, columns: &Columns, truncate: bool) -> String {
        let rows: Vec<Row> = containers()
            .iter()
            .map(|c| row(c, truncate, &Clock::fixed(1_795_536_000)))
            .collect();
        Format::choose(format, false, None, columns)
            .unwrap()
            .render(&rows, columns)
            .unwrap()
    }

    #[test]
    fn the_table() {
        insta::assert_snapshot!(shown(None, &COLUMNS, true));
        insta::assert_snapshot!(shown(None, &COLUMNS_WITH_SIZE, false));
    }

    #[test]
    fn a_json_line_each() {
        insta::assert_snapshot!(shown(Some("json"), &COLUMNS, true));
    }
}
