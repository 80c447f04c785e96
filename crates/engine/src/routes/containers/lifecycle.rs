//! Verbs that change a container and answer with little.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use gantry_api::models::{ContainerPruneResponse, ContainerUpdateBody, ContainerUpdateResponse};
use http::StatusCode;

use crate::containers::{freezer, prune, remove, rename, resize, signal, start, stop, update};
use crate::error::{Error, Result};
use crate::routes::answer::json;
use crate::routes::params::Params;
use crate::routes::{App, query};

pub(super) async fn start(
    State(engine): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    start::start(&engine, &engine.containers.find(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn how_to_stop(params: &Params) -> Result<stop::Stop> {
    let signal = params.get("signal");
    Ok(stop::Stop {
        signal: signal.map(signal::parse).transpose()?,
        timeout: query::number("t", params.get("t"))?,
    })
}

pub(super) async fn stop(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let command = how_to_stop(&params)?;
    stop::stop(&engine, &engine.containers.find(&name)?, &command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn restart(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let command = how_to_stop(&params)?;
    stop::restart(&engine, &engine.containers.find(&name)?, &command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn kill(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let container = engine.containers.find(&name)?;
    let signal = match params.get("signal") {
        None | Some("") => libc::SIGKILL,
        Some(text) => signal::parse(text)?,
    };
    stop::kill(&engine, &container, signal).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn pause(
    State(engine): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    freezer::pause(&engine, &engine.containers.find(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unpause(
    State(engine): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    freezer::unpause(&engine, &engine.containers.find(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rename(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let new = params.get("name").unwrap_or_default();
    rename::rename(&engine, &engine.containers.find(&name)?, new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn update(
    State(engine): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response> {
    let body: ContainerUpdateBody = serde_json::from_slice(&body)
        .map_err(|error| Error::invalid(format!("invalid JSON: {error}")))?;
    update::update(&engine, &engine.containers.find(&name)?, body).await?;
    Ok(json(
        StatusCode::OK,
        &ContainerUpdateResponse {
            warnings: Some(Vec::new()),
        },
    ))
}

pub(super) async fn resize(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let size = query::size(params.get("h"), params.get("w"))?;
    resize::resize(&engine, &engine.containers.find(&name)?, size).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn remove(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    if params.flag("link") {
        return Err(Error::unsupported(
            "links are not supported: there is none to remove",
        ));
    }
    let command = remove::Remove {
        force: params.flag("force"),
        volumes: params.flag("v"),
    };
    remove::remove(&engine, &engine.containers.find(&name)?, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn prune(State(engine): State<App>, params: Params) -> Result<Response> {
    let filters = params.filters(prune::FILTERS)?;
    let pruned = prune::prune(&engine, &filters).await?;
    let answer = ContainerPruneResponse {
        containers_deleted: Some(pruned.ids),
        space_reclaimed: Some(i64::try_from(pruned.bytes).unwrap_or(i64::MAX)),
    };
    Ok(json(StatusCode::OK, &answer))
}
