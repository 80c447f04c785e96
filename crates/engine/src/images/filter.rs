//! Which images a list or a prune means.

use std::collections::HashMap;

use gantry_api::Filters;
use gantry_image::{Image, Images, Reference};
use time::OffsetDateTime;

use crate::containers::moment;
use crate::error::{Error, Result};

/// What lists can be filtered by.
pub const LIST: &[&str] = &[
    "dangling",
    "label",
    "label!",
    "before",
    "since",
    "reference",
    "until",
];
/// What prunes can be filtered by.
pub const PRUNE: &[&str] = &["dangling", "label", "label!", "until"];

/// Filters with their words looked up.
#[derive(Debug, Clone)]
pub struct Wanted {
    filters: Filters,
    dangling: Option<bool>,
    older_than: Option<OffsetDateTime>,
    newer_than: Option<OffsetDateTime>,
}

impl Wanted {
    /// Looks up the images that `before` and `since` name.
    pub async fn new(filters: Filters, images: &Images, now: OffsetDateTime) -> Result<Wanted> {
        let dangling = filters
            .flag("dangling")
            .map_err(|error| Error::invalid(error.to_string()))?;
        let mut wanted = Wanted {
            dangling,
            older_than: None,
            newer_than: None,
            filters,
        };
        for name in wanted.filters.get("before") {
            let created = images.get(name).await?.created;
            wanted.older_than = Some(
                wanted
                    .older_than
                    .map_or(created, |other| other.min(created)),
            );
        }
        for text in wanted.filters.get("until") {
            let until = moment::parse(text, now)?;
            wanted.older_than = Some(wanted.older_than.map_or(until, |other| other.min(until)));
        }
        for name in wanted.filters.get("since") {
            let created = images.get(name).await?.created;
            wanted.newer_than = Some(
                wanted
                    .newer_than
                    .map_or(created, |other| other.max(created)),
            );
        }
        Ok(wanted)
    }

    /// Whether `dangling` was asked to be false: a prune of all unused images.
    pub fn dangling(&self) -> Option<bool> {
        self.dangling
    }

    /// The same, whatever was said of `dangling`.
    pub fn of_any_kind(self) -> Wanted {
        Wanted {
            dangling: None,
            ..self
        }
    }

    /// Whether an image passes.
    pub fn accepts(&self, image: &Image) -> bool {
        self.dangling
            .is_none_or(|wanted| wanted == image.is_dangling())
            && self.older_than.is_none_or(|bound| image.created < bound)
            && self.newer_than.is_none_or(|bound| image.created > bound)
            && self.filters.labels_match(&labels(image))
            && self.filters.any("reference", |pattern| {
                image
                    .repo_tags
                    .iter()
                    .chain(&image.repo_digests)
                    .any(|name| names(pattern, name))
            })
    }

    /// Of an image's names, those to show.
    pub fn shows(&self, name: &Reference) -> bool {
        self.filters
            .any("reference", |pattern| names(pattern, name))
    }
}

/// An image's labels.
pub fn labels(image: &Image) -> HashMap<String, String> {
    image
        .config
        .config()
        .as_ref()
        .and_then(|config| config.labels().clone())
        .unwrap_or_default()
}

/// Whether `pattern` means the image: with or without its tag.
fn names(pattern: &str, name: &Reference) -> bool {
    matches(pattern.as_bytes(), name.familiar().as_bytes())
        || matches(pattern.as_bytes(), name.familiar_name().as_bytes())
}

/// Go's `path.Match` without character classes: `*` and `?` stop at slashes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when the last star has to take one byte more.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(byte)) if *byte != b'/' => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            (Some(wanted), Some(byte)) if wanted == byte => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            _ => {}
        }
        match retry {
            Some((after, at)) if text.get(at).is_some_and(|byte| *byte != b'/') => {
                retry = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stop_at_slashes() {
        let cases = [
            ("alpine", "alpine:latest", true),
            ("alp*", "alpine:latest", true),
            ("alpine:*", "alpine:3.19", true),
            ("alpine:3.??", "alpine:3.19", true),
            ("*", "alpine:3.19", true),
            ("*", "team/app:1", false),
            ("*/*", "team/app:1", true),
            ("*/app", "team/app:1", true),
            ("team", "team/app:1", false),
            ("a*e*:l*t", "alpine:latest", true),
            ("alpine:4*", "alpine:3.19", false),
        ];
        for (pattern, name, expected) in cases {
            let name = Reference::parse(name).unwrap();
            assert_eq!(names(pattern, &name), expected, "{pattern} {name:?}");
        }
    }
}
