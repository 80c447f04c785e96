//! `GET /containers/{name}/stats`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use gantry_api::models::ContainerStatsResponse;
use http::{StatusCode, header};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::containers::stats::{sample, with_previous};
use crate::error::{Error, Result};
use crate::routes::App;
use crate::routes::answer::json;
use crate::routes::params::Params;

/// How often figures are told.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn stats(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let container = engine.containers.find(&name)?;
    let streams = params.get("stream").is_none() || params.flag("stream");
    let one_shot = params.flag("one-shot");
    if streams && one_shot {
        return Err(Error::invalid("cannot have stream=true and one-shot=true"));
    }
    let first = sample(&engine, &container).await?;
    if one_shot {
        return Ok(json(StatusCode::OK, &first));
    }
    let alive = container.with(|record| record.state.phase.is_alive());
    if !streams && !alive {
        return Ok(json(StatusCode::OK, &first));
    }
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if !streams {
        // Rates need two looks.
        ticks.tick().await;
        let second = sample(&engine, &container).await?;
        return Ok(json(StatusCode::OK, &with_previous(second, Some(&first))));
    }
    let changes = container.watch();
    let state = (Some(first), None::<ContainerStatsResponse>, ticks, changes);
    let lines = futures::stream::unfold(state, move |(pending, before, mut ticks, mut changes)| {
        let (engine, container) = (engine.clone(), container.clone());
        async move {
            let now = match pending {
                Some(first) => first,
                None => {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        _ = changes.wait_for(|record| record.removed) => return None,
                    }
                    sample(&engine, &container).await.ok()?
                }
            };
            let line = serde_json::to_vec(&with_previous(now.clone(), before.as_ref())).ok()?;
            let mut line = line;
            line.push(b'\n');
            Some((
                Ok::<_, std::convert::Infallible>(Bytes::from(line)),
                (None, Some(now), ticks, changes),
            ))
        }
    });
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(lines),
    )
        .into_response())
}
