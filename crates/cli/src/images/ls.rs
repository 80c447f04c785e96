//! `images`, also called `image ls`.

use bollard::models::ImageSummary;
use bollard::query_parameters::ListImagesOptionsBuilder;
use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::error::Result;
use crate::flags::filter::{FilterFlag, for_bollard};
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::time::Clock;
use crate::output::{text, units};

/// The headers of a list of images.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];
const COLUMNS: Columns = Columns {
    headers: HEADERS,
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: "{{.ID}}",
};
const COLUMNS_WITH_DIGEST: Columns = Columns {
    headers: HEADERS,
    table: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: COLUMNS.quiet,
};
const NONE: &str = "<none>";

/// List images
#[derive(Debug, Args)]
pub struct Ls {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    #[command(flatten)]
    filter: FilterFlag,
    #[command(flatten)]
    format: ListFormat,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Only images of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Ls {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let columns = if self.digests {
            COLUMNS_WITH_DIGEST
        } else {
            COLUMNS
        };
        let configured = app.config.text("imagesFormat");
        let format = Format::choose(
            self.format.format.as_deref(),
            self.quiet,
            configured,
            &columns,
        )?;
        let mut filters = self.filter.filters();
        if let Some(name) = self.name {
            filters
                .entry("reference".to_owned())
                .or_default()
                .push(name);
        }
        let options = ListImagesOptionsBuilder::new()
            .all(self.all)
            .filters(&for_bollard(filters))
            .build();
        let mut images = app.daemon()?.docker().list_images(Some(options)).await?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        let digests = self.digests || format.shows("Digest");
        let clock = app.clock();
        let rows: Vec<Row> = images
            .iter()
            .flat_map(|image| rows(image, !self.no_trunc, digests, &clock))
            .collect();
        format.show(&rows, &columns)
    }
}

/// The lines of one image: one for each of its names.
pub fn rows(image: &ImageSummary, truncate: bool, digests: bool, clock: &Clock) -> Vec<Row> {
    names(image, digests)
        .into_iter()
        .map(|(repository, tag, digest)| {
            let whole = |bytes: i64| units::decimal(bytes as f64, 4);
            let part = |bytes: i64| if bytes < 0 { "N/A".to_owned() } else { whole(bytes) };
            let unique = if image.shared_size < 0 { -1 } else { image.size - image.shared_size };
            json!({
                "ID": if truncate { text::short_id(&image.id) } else { &image.id },
                "Repository": repository,
                "Tag": tag,
                "Digest": digest,
                "CreatedSince": if image.created > 0 { clock.ago(image.created) } else { "N/A".to_owned() },
                "CreatedAt": clock.full(image.created),
                "Size": units::size(image.size),
                "Containers": if image.containers < 0 { "N/A".to_owned() } else { image.containers.to_string() },
                "SharedSize": part(image.shared_size),
                "UniqueSize": part(unique),
                "VirtualSize": whole(image.size),
            })
            .into()
        })
        .collect()
}

/// Repository, tag and digest of each name.
fn names(image: &ImageSummary, digests: bool) -> Vec<(String, String, String)> {
    let none = || NONE.to_owned();
    let by_digest: Vec<(&str, &str)> = image
        .repo_digests
        .iter()
        .filter_map(|name| name.split_once('@'))
        .collect();
    let digest_of = |repository: &str| {
        let found = by_digest.iter().find(|(name, _)| *name == repository);
        found.map_or_else(none, |(_, digest)| (*digest).to_owned())
    };
    let mut names = Vec::new();
    for name in image
        .repo_tags
        .iter()
        .filter(|name| *name != "<none>:<none>")
    {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, NONE));
        let digest = if digests {
            digest_of(repository)
        } else {
            none()
        };
        names.push((repository.to_owned(), tag.to_owned(), digest));
    }
    // A name by digest alone is shown where no tag of the same repository shows it.
    for (repository, digest) in by_digest.iter().filter(|(name, _)| *name != NONE) {
        if !names.iter().any(|(named, ..)| named == repository) {
            let digest = if digests {
                (*digest).to_owned()
            } else {
                none()
            };
            names.push(((*repository).to_owned(), none(), digest));
        }
    }
    if names.is_empty() {
        names.push((none(), none(), none()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let images: Vec<ImageSummary> = serde_json::from_value(json!([
            {"Id": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "ParentId": "",
             "RepoTags": ["nginx:latest", "127.0.0.1:5000/web:1"], "RepoDigests": ["nginx@sha256:aa"],
             "Created": 1_795_000_000, "Size": 187_654_321, "SharedSize": -1, "Labels": null, "Containers": -1},
            {"Id": "sha256:cafe", "ParentId": "", "RepoTags": null, "RepoDigests": [], "Created": 0, "Size": 0,
             "SharedSize": 0, "Labels": {}, "Containers": 0}
        ]))
        .unwrap();
        let clock = Clock::fixed(1_795_536_000);
        let shown = |columns: &Columns, digests| {
            let rows: Vec<Row> = images
                .iter()
                .flat_map(|image| rows(image, true, digests, &clock))
                .collect();
            Format::choose(None, false, None, columns)
                .unwrap()
                .render(&rows, columns)
                .unwrap()
        };
        insta::assert_snapshot!(shown(&COLUMNS, false));
        insta::assert_snapshot!(shown(&COLUMNS_WITH_DIGEST, true));
    }
}
