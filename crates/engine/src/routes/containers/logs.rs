//! `GET /containers/{name}/logs`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use gantry_api::{StreamFrame, StreamKind};
use gantry_runtime::log::{Entries, Entry, LogError, Query, Stream};
use http::header;
use time::OffsetDateTime;

use crate::containers::{logs, moment};
use crate::error::{Error, Result};
use crate::routes::App;
use crate::routes::params::Params;

/// How an entry is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Its time before it.
    pub(super) timestamps: bool,
    /// Without frames, as a terminal's bytes are.
    pub(super) raw: bool,
}

pub(super) async fn logs(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let container = engine.containers.find(&name)?;
    let now = OffsetDateTime::now_utc();
    let time = |key: &str| moment::parse_optional(params.get(key), now);
    let tail = match params.get("tail") {
        // What isn't a number is everything, as Docker has it; so is a negative one.
        None | Some("" | "all") => None,
        Some(text) => text.parse::<usize>().ok(),
    };
    let question = Query {
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
        since: time("since")?,
        until: time("until")?,
        tail,
        follow: params.flag("follow"),
    };
    let raw = container.with(|record| record.definition.config.tty == Some(true));
    let shape = Shape {
        timestamps: params.flag("timestamps"),
        raw,
    };
    let entries = logs::open(&engine, &container, question).await?;
    let media = if raw {
        "application/vnd.docker.raw-stream"
    } else {
        "application/vnd.docker.multiplexed-stream"
    };
    Ok((
        [(header::CONTENT_TYPE, media)],
        Body::from_stream(stream(entries, shape)),
    )
        .into_response())
}

/// The log as a body; what goes wrong midway is the body's last frame, since the status is long sent.
pub(super) fn stream(
    entries: Entries,
    shape: Shape,
) -> impl futures::Stream<Item = Result<Bytes, LogError>> {
    futures::stream::unfold(Some(entries), move |state| async move {
        let mut entries = state?;
        match entries.next().await? {
            Ok(entry) => Some((Ok(encode(&entry, shape)), Some(entries))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// One entry as it goes over the wire.
pub(super) fn encode(entry: &Entry, shape: Shape) -> Bytes {
    let mut payload = Vec::with_capacity(entry.bytes.len() + 36);
    if shape.timestamps {
        payload.extend_from_slice(stamp(entry.time).as_bytes());
        payload.push(b' ');
    }
    payload.extend_from_slice(&entry.bytes);
    if shape.raw {
        return Bytes::from(payload);
    }
    let kind = match entry.stream {
        Stream::Stdout => StreamKind::Stdout,
        Stream::Stderr => StreamKind::Stderr,
    };
    let mut out = BytesMut::new();
    StreamFrame::encode(kind, &payload, &mut out);
    out.freeze()
}

/// Docker's time of a log line: always nine digits of a second.
fn stamp(time: OffsetDateTime) -> String {
    let format = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z"
    );
    time.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// The whole log so far, for an attach that wants it first.
pub(super) async fn so_far(mut entries: Entries, shape: Shape) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(entry) = entries.next().await {
        bytes.extend_from_slice(&encode(&entry?, shape));
        if bytes.len() > 64 << 20 {
            return Err(Error::invalid(
                "the log is too long to come before an attach: read it with logs",
            ));
        }
    }
    Ok(bytes)
}
