//! Verbs that only look.

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_api::Filters;
use http::StatusCode;

use super::Params;
use crate::containers::{changes, inspect, list, top};
use crate::error::{Error, Result};
use crate::routes::answer::json;
use crate::routes::{App, query};

pub(super) async fn list(State(engine): State<App>, params: Params) -> Result<Response> {
    let filters = Filters::parse(params.get("filters").map(String::as_str), list::FILTERS)
        .map_err(|error| Error::invalid(error.to_string()))?;
    let limit = query::number("limit", params.get("limit"))?;
    let command = list::List {
        all: query::flag(params.get("all")),
        limit: limit
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok()),
        size: query::flag(params.get("size")),
        filter: list::Filter::parse(filters)?,
    };
    Ok(json(StatusCode::OK, &list::list(&engine, command).await?))
}

pub(super) async fn inspect(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let container = engine.containers.find(&name)?;
    let value = inspect::inspect(&engine, &container, query::flag(params.get("size"))).await?;
    Ok(json(StatusCode::OK, &value))
}

pub(super) async fn top(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let arguments = params
        .get("ps_args")
        .map(String::as_str)
        .unwrap_or_default();
    Ok(json(
        StatusCode::OK,
        &top::top(&engine, &engine.containers.find(&name)?, arguments).await?,
    ))
}

pub(super) async fn changes(
    State(engine): State<App>,
    Path(name): Path<String>,
) -> Result<Response> {
    let changes = changes::changes(&engine, &engine.containers.find(&name)?).await?;
    // As dockerd: no changes are null.
    Ok(json(
        StatusCode::OK,
        &Some(changes).filter(|changes| !changes.is_empty()),
    ))
}
