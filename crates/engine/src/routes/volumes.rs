//! `/volumes`.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gantry_api::models::VolumeCreateRequest;
use gantry_api::{ApiVersion, Filters};
use http::StatusCode;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::params::Params;
use super::{App, answer, body};
use crate::error::{Error, Result};
use crate::state::off_reactor;
use crate::volumes::{Create, Volume, Volumes, users};

/// Since this version a prune without a word takes anonymous volumes only.
const PRUNE_ANONYMOUS: ApiVersion = ApiVersion::new(1, 42);

/// The routes of this resource.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove).put(update))
}

async fn create(State(app): State<App>, body: Body) -> Result<Response> {
    let asked: VolumeCreateRequest = body::json(body).await?;
    if asked.cluster_volume_spec.is_some() {
        return Err(Error::unsupported(
            "cluster volumes need a swarm, which this engine doesn't do",
        ));
    }
    let name = asked.name.filter(|name| !name.is_empty());
    let create = Create {
        driver: asked.driver.unwrap_or_default(),
        labels: asked.labels.unwrap_or_default().into_iter().collect(),
        options: asked.driver_opts.unwrap_or_default().into_iter().collect(),
        ..Create::new(name.map(|name| name.parse()).transpose()?)
    };
    let volumes = app.volumes.clone();
    let hold = off_reactor(move || volumes.create(&create)).await??;
    Ok(answer::json(
        StatusCode::CREATED,
        &details(&app.volumes, hold.volume()),
    ))
}

async fn list(State(app): State<App>, params: Params) -> Result<Response> {
    let filters = params.filters(&["dangling", "driver", "label", "name"])?;
    let dangling = filters
        .flag("dangling")
        .map_err(|error| Error::invalid(error.to_string()))?;
    let found: Vec<Value> = app
        .volumes
        .list()
        .iter()
        .filter(|volume| {
            filters.any("driver", |driver| driver == "local")
                && filters.any("name", |part| volume.name.as_str().contains(part))
                && has_labels(&filters, volume)
                && dangling
                    .is_none_or(|wanted| wanted == users(&app.containers, &volume.name).is_empty())
        })
        .map(|volume| details(&app.volumes, volume))
        .collect();
    Ok(answer::json(
        StatusCode::OK,
        &json!({ "Volumes": found, "Warnings": null }),
    ))
}

async fn inspect(State(app): State<App>, Path(name): Path<String>) -> Result<Response> {
    let volume = app.volumes.get(&name)?;
    Ok(answer::json(
        StatusCode::OK,
        &details(&app.volumes, &volume),
    ))
}

async fn update() -> Result<Response> {
    Err(Error::unsupported(
        "only cluster volumes can be updated, which this engine doesn't do",
    ))
}

async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let force = params.flag("force");
    off_reactor(move || {
        app.volumes
            .remove(&name, force, |name| users(&app.containers, name))
    })
    .await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn prune(
    State(app): State<App>,
    params: Params,
    version: axum::Extension<ApiVersion>,
) -> Result<Response> {
    let filters = params.filters(&["label", "label!", "all"])?;
    let all = filters
        .flag("all")
        .map_err(|error| Error::invalid(error.to_string()))?
        .unwrap_or(version.0 < PRUNE_ANONYMOUS);
    let removed = off_reactor(move || {
        app.volumes.prune(
            |volume| (all || volume.anonymous) && has_labels(&filters, volume),
            |name| users(&app.containers, name),
        )
    })
    .await?;
    let names: Vec<&str> = removed.names.iter().map(|name| name.as_str()).collect();
    let value = json!({
        "VolumesDeleted": if names.is_empty() { Value::Null } else { json!(names) },
        "SpaceReclaimed": removed.bytes,
    });
    Ok(answer::json(StatusCode::OK, &value))
}

fn has_labels(filters: &Filters, volume: &Volume) -> bool {
    let labels: HashMap<String, String> = volume.labels.clone().into_iter().collect();
    filters.labels_match(&labels)
}

/// A volume as the API shows it.
pub(super) fn details(volumes: &Volumes, volume: &Volume) -> Value {
    let or_null = |map: &std::collections::BTreeMap<String, String>| {
        if map.is_empty() {
            Value::Null
        } else {
            json!(map)
        }
    };
    json!({
        "CreatedAt": volume.created.replace_nanosecond(0).ok().and_then(|time| time.format(&Rfc3339).ok()),
        "Driver": "local",
        "Labels": or_null(&volume.labels),
        "Mountpoint": volumes.data(&volume.name),
        "Name": volume.name.as_str(),
        "Options": or_null(&volume.options),
        "Scope": "local",
    })
}
