//! `GET /events`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt as _;
use gantry_api::Filters;
use http::header;
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::params::Params;
use crate::containers::moment;
use crate::error::{Error, Result};
use crate::events::{Event, Subject};

const FILTERS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/events", get(events))
}

async fn events(State(engine): State<App>, params: Params) -> Result<Response> {
    let filters = params.filters(FILTERS)?;
    let now = OffsetDateTime::now_utc();
    let time = |key: &str| match params.get(key) {
        // Elsewhere 0 is no time; here it asks for all that is remembered.
        Some("0") => Ok(Some(OffsetDateTime::UNIX_EPOCH)),
        text => moment::parse_optional(text, now),
    };
    let (since, until) = (time("since")?, time("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Error::invalid(format!(
            "`since` time ({since}) cannot be after `until` time ({until})"
        )));
    }
    let (past, future) = engine.events.subscribe();
    let wanted = Arc::new(Wanted {
        filters,
        since,
        until,
    });
    // Either of them asks for the past.
    let earlier: Vec<Arc<Event>> = if since.is_some() || until.is_some() {
        past
    } else {
        Vec::new()
    };
    let over = async move {
        match until {
            Some(until) if until <= OffsetDateTime::now_utc() => {}
            Some(until) => {
                let left = (until - OffsetDateTime::now_utc())
                    .try_into()
                    .unwrap_or_default();
                tokio::time::sleep(left).await;
            }
            None => std::future::pending().await,
        }
    };
    let later = futures::stream::unfold(future, |mut future| async move {
        loop {
            match future.recv().await {
                Ok(event) => return Some((event, future)),
                // The slow lose some, as with dockerd, and go on.
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "a listener is too slow for the events")
                }
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let lines = futures::stream::iter(earlier)
        .chain(later.take_until(over))
        .filter_map(move |event| {
            let line = wanted
                .lets(&event)
                .then(|| Ok::<_, Infallible>(encode(&event)));
            async move { line }
        });
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(lines),
    )
        .into_response())
}

struct Wanted {
    filters: Filters,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
}

impl Wanted {
    fn lets(&self, event: &Event) -> bool {
        let filters = &self.filters;
        let attribute = |key: &str| event.attributes.get(key);
        let named = |subject: Subject| {
            move |wanted: &str| {
                event.subject == subject
                    && (event.id == wanted
                        || event
                            .attributes
                            .get("name")
                            .is_some_and(|name| name == wanted)
                        || event.id.starts_with(wanted))
            }
        };
        let labels: HashMap<String, String> = event
            .attributes
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let image = |wanted: &str| match event.subject {
            Subject::Image => named(Subject::Image)(wanted),
            Subject::Container => attribute("image")
                .is_some_and(|image| image == wanted || image.split(':').next() == Some(wanted)),
            _ => false,
        };
        self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time <= until)
            && filters.any("type", |kind| kind == event.subject.as_str())
            && filters.any("event", |action| {
                event.action == action || event.action.split(':').next() == Some(action)
            })
            && filters.any("scope", |scope| scope == "local")
            && filters.any("container", named(Subject::Container))
            && filters.any("image", image)
            && filters.any("volume", named(Subject::Volume))
            && filters.any("network", named(Subject::Network))
            && filters.any("daemon", named(Subject::Daemon))
            && ["config", "node", "plugin", "secret", "service"]
                .iter()
                .all(|key| !filters.has(key))
            && filters.labels_match(&labels)
    }
}

fn encode(event: &Event) -> Bytes {
    let nanos = event.time.unix_timestamp_nanos();
    let mut value = json!({
        "Type": event.subject.as_str(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.unix_timestamp(),
        "timeNano": i64::try_from(nanos).unwrap_or(i64::MAX),
    });
    // What clients before API 1.22 read, and some still do.
    if matches!(event.subject, Subject::Container | Subject::Image)
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert("status".to_owned(), json!(event.action));
        fields.insert("id".to_owned(), json!(event.id));
        if let Some(image) = event.attributes.get("image") {
            fields.insert("from".to_owned(), json!(image));
        }
    }
    Bytes::from(format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn lets(json: &str) -> bool {
        let event = Event {
            subject: Subject::Container,
            action: "exec_create: ls".to_owned(),
            id: "abcdef0123456789".to_owned(),
            attributes: BTreeMap::from([
                ("name".to_owned(), "web".to_owned()),
                ("image".to_owned(), "nginx:1".to_owned()),
                ("tier".to_owned(), "front".to_owned()),
            ]),
            time: OffsetDateTime::now_utc(),
        };
        Wanted {
            filters: Filters::parse(Some(json), FILTERS).unwrap(),
            since: None,
            until: None,
        }
        .lets(&event)
    }

    #[test]
    fn filters_let_through_what_they_name() {
        for json in [
            "",
            r#"{"type":["container"]}"#,
            r#"{"event":["exec_create"]}"#,
            r#"{"container":["web"]}"#,
            r#"{"container":["abcdef012345"]}"#,
            r#"{"container":["abcd"]}"#,
            r#"{"image":["nginx"]}"#,
            r#"{"label":["tier=front"]}"#,
        ] {
            assert!(lets(json), "{json}");
        }
        for json in [
            r#"{"type":["image"]}"#,
            r#"{"event":["start"]}"#,
            r#"{"container":["db"]}"#,
            r#"{"volume":["web"]}"#,
            r#"{"label":["tier=back"]}"#,
            r#"{"node":["x"]}"#,
        ] {
            assert!(!lets(json), "{json}");
        }
    }
}
