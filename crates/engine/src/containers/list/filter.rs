//! Filters of `docker ps`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use gantry_api::Filters;
use regex_lite::Regex;
use time::OffsetDateTime;

use super::super::{Record, network};
use crate::error::{Error, Result};
use crate::state::Engine;

/// The keys that are understood.
pub const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "expose",
    "exited",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

const STATES: &[&str] = &[
    "created",
    "restarting",
    "running",
    "removing",
    "paused",
    "exited",
    "dead",
];
const HEALTHS: &[&str] = &["starting", "healthy", "unhealthy", "none"];
/// Longest expression, in bytes.
const LONGEST: usize = 4096;

/// A port as a filter names it.
type Ports = (RangeInclusive<u16>, String);

/// What was asked for, understood.
#[derive(Debug, Default)]
pub struct Filter {
    given: Filters,
    names: Vec<Regex>,
    ids: Vec<Regex>,
    exited: Vec<i32>,
    publish: Vec<Ports>,
    expose: Vec<Ports>,
    is_task: Option<bool>,
}

/// A filter with the containers and images it names looked up.
#[derive(Debug)]
pub struct Resolved {
    filter: Filter,
    ancestors: Vec<String>,
    before: Option<OffsetDateTime>,
    since: Option<OffsetDateTime>,
}

impl Filter {
    /// Understands the filters.
    pub fn parse(given: Filters) -> Result<Filter> {
        let one_of = |key: &str, known: &[&str]| match given
            .get(key)
            .iter()
            .find(|value| !known.contains(&value.as_str()))
        {
            None => Ok(()),
            Some(value) => Err(Error::invalid(format!(
                "invalid filter '{key}={}'",
                value.escape_debug()
            ))),
        };
        one_of("status", STATES)?;
        one_of("health", HEALTHS)?;
        one_of("isolation", &["default", ""])?;
        let expressions = |key: &str| {
            given
                .get(key)
                .iter()
                .map(|text| expression(key, text))
                .collect::<Result<Vec<_>>>()
        };
        let ports = |key: &str| {
            given
                .get(key)
                .iter()
                .map(|text| ports(key, text))
                .collect::<Result<Vec<_>>>()
        };
        let exited = given.get("exited").iter().map(|text| {
            text.parse().map_err(|_| {
                Error::invalid(format!("invalid filter 'exited={}'", text.escape_debug()))
            })
        });
        Ok(Filter {
            names: expressions("name")?,
            ids: expressions("id")?,
            exited: exited.collect::<Result<_>>()?,
            publish: ports("publish")?,
            expose: ports("expose")?,
            is_task: given.flag("is-task")?,
            given,
        })
    }

    /// Whether containers that don't run are asked for by it.
    pub fn names_a_state(&self) -> bool {
        ["status", "exited", "before", "since"]
            .iter()
            .any(|key| self.given.has(key))
    }

    /// Looks up what the filter names.
    pub async fn resolve(self, engine: &Arc<Engine>) -> Result<Resolved> {
        let mut ancestors = Vec::new();
        for name in self.given.get("ancestor") {
            match engine.images.get(name).await {
                Ok(image) => ancestors.extend(descendants(engine, &image).await?),
                // An image that isn't there has no containers; but one created from it may still bear its name.
                Err(_) => ancestors.push(name.clone()),
            }
        }
        let created = |key: &str| -> Result<Option<OffsetDateTime>> {
            let times = self
                .given
                .get(key)
                .iter()
                .map(|query| Ok(engine.containers.find(query)?.record().definition.created));
            let times = times.collect::<Result<Vec<_>>>()?;
            Ok(if key == "before" {
                times.into_iter().min()
            } else {
                times.into_iter().max()
            })
        };
        let (before, since) = (created("before")?, created("since")?);
        Ok(Resolved {
            ancestors,
            before,
            since,
            filter: self,
        })
    }
}

/// The image and all images that have its layers at their bottom.
async fn descendants(engine: &Engine, image: &gantry_image::Image) -> Result<Vec<String>> {
    let is_under = |other: &gantry_image::Image| {
        !image.layers.is_empty()
            && other.layers.len() >= image.layers.len()
            && image
                .layers
                .iter()
                .zip(&other.layers)
                .all(|(a, b)| a.diff_id == b.diff_id)
    };
    let all = engine.images.list().await?;
    Ok(all
        .iter()
        .filter(|other| other.id == image.id || is_under(other))
        .map(|other| other.id.to_string())
        .collect())
}

impl Resolved {
    /// Whether a container passes.
    pub fn passes(&self, record: &Record) -> bool {
        let (definition, state, filter) = (&record.definition, &record.state, &self.filter);
        let given = &filter.given;
        let none = std::collections::HashMap::new();
        let name = format!("/{}", definition.name);
        let health = state
            .health
            .as_ref()
            .map_or("none", |health| health.status.as_str());
        (filter.names.is_empty()
            || filter
                .names
                .iter()
                .any(|re| re.is_match(&name) || re.is_match(&definition.name)))
            && (filter.ids.is_empty()
                || filter
                    .ids
                    .iter()
                    .any(|re| re.is_match(definition.id.as_str())))
            && given.any("status", |status| status == state.phase.as_str())
            && given.any("health", |wanted| wanted == health)
            && (filter.exited.is_empty()
                || (state.phase == super::super::Phase::Exited
                    && filter.exited.contains(&state.exit_code)))
            && filter.is_task != Some(true)
            && given.labels_match(definition.config.labels.as_ref().unwrap_or(&none))
            && (!given.has("ancestor")
                || self.ancestors.iter().any(|id| {
                    *id == definition.image_id || Some(id) == definition.config.image.as_ref()
                }))
            && self.before.is_none_or(|before| definition.created < before)
            && self.since.is_none_or(|since| definition.created > since)
            && given.any("volume", |wanted| {
                definition.mounts.iter().any(|mount| {
                    mount.volume == wanted
                        || mount.destination == wanted
                        || mount.source.as_os_str() == wanted
                })
            })
            && given.any("network", |wanted| {
                let network = network::Mode::of(definition).network();
                network == Some(wanted)
                    || network.is_some_and(|name| {
                        super::super::network::id_of(name).starts_with(wanted) && !wanted.is_empty()
                    })
            })
            && (filter.publish.is_empty()
                || filter.publish.iter().any(|(range, protocol)| {
                    state
                        .ports
                        .iter()
                        .any(|port| range.contains(&port.host_port) && port.protocol == *protocol)
                }))
            && (filter.expose.is_empty()
                || filter.expose.iter().any(|wanted| exposes(record, wanted)))
    }
}

fn exposes(record: &Record, (range, protocol): &Ports) -> bool {
    record
        .definition
        .config
        .exposed_ports
        .iter()
        .flatten()
        .any(|text| {
            network::parse_port(text).is_ok_and(|(own, kind)| {
                kind.to_string() == *protocol
                    && own.start() <= range.end()
                    && range.start() <= own.end()
            })
        })
}

fn expression(key: &str, text: &str) -> Result<Regex> {
    let invalid = || {
        Error::invalid(format!(
            "invalid filter '{key}={}'",
            text.chars().take(100).collect::<String>().escape_debug()
        ))
    };
    if text.len() > LONGEST {
        return Err(invalid());
    }
    // Ids are matched from their beginning; names anywhere, as Docker does.
    let text = if key == "id" {
        format!("^(?:{text})")
    } else {
        text.to_owned()
    };
    Regex::new(&text).map_err(|_| invalid())
}

fn ports(key: &str, text: &str) -> Result<Ports> {
    let (range, protocol) = network::parse_port(text)
        .map_err(|_| Error::invalid(format!("invalid filter '{key}={}'", text.escape_debug())))?;
    Ok((range, protocol.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::record::tests::record;
    use crate::containers::{ContainerId, Phase};

    fn passes(json: &str, change: impl FnOnce(&mut Record)) -> bool {
        let mut record = record(&ContainerId::random(), "web-1");
        change(&mut record);
        let filter = Filter::parse(Filters::parse(Some(json), FILTERS).unwrap()).unwrap();
        Resolved {
            filter,
            ancestors: Vec::new(),
            before: None,
            since: None,
        }
        .passes(&record)
    }

    #[test]
    fn each_key_lets_through_what_it_names() {
        assert!(passes(r#"{"name":["^/web"]}"#, |_| {}));
        assert!(passes(r#"{"name":["eb-"]}"#, |_| {}));
        assert!(!passes(r#"{"name":["^eb"]}"#, |_| {}));
        assert!(passes(r#"{"status":["created","running"]}"#, |_| {}));
        assert!(!passes(r#"{"status":["running"]}"#, |_| {}));
        assert!(
            !passes(r#"{"exited":["0"]}"#, |_| {}),
            "one that never ran has not exited"
        );
        assert!(passes(r#"{"exited":["3"]}"#, |r| (
            r.state.phase,
            r.state.exit_code
        ) = (Phase::Exited, 3)));
        assert!(passes(r#"{"health":["none"]}"#, |_| {}));
        assert!(!passes(r#"{"is-task":["true"]}"#, |_| {}));
        assert!(passes(r#"{"is-task":["false"]}"#, |_| {}));
        assert!(passes(r#"{"network":["bridge"]}"#, |_| {}));
        assert!(!passes(r#"{"network":["host"]}"#, |_| {}));
        assert!(!passes(r#"{"volume":["data"]}"#, |_| {}));
        let exposing = |r: &mut Record| {
            Arc::make_mut(&mut r.definition).config.exposed_ports = Some(vec!["80/tcp".to_owned()])
        };
        assert!(passes(r#"{"expose":["79-81"]}"#, exposing));
        assert!(!passes(r#"{"expose":["80/udp"]}"#, exposing));
        assert!(!passes(r#"{"publish":["80"]}"#, exposing));
    }

    #[test]
    fn values_outside_their_grammar_are_refused() {
        for json in [
            r#"{"status":["asleep"]}"#,
            r#"{"health":["fine"]}"#,
            r#"{"exited":["x"]}"#,
            r#"{"name":["("]}"#,
            r#"{"publish":["x"]}"#,
            r#"{"is-task":["maybe"]}"#,
        ] {
            let filters = Filters::parse(Some(json), FILTERS).unwrap();
            assert_eq!(
                Filter::parse(filters).unwrap_err().kind().status(),
                400,
                "{json}"
            );
        }
    }
}
