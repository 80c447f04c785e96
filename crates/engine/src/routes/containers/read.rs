//! Verbs that only look.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::containers::{changes, inspect, list, top};
use crate::error::Result;
use crate::routes::answer::json;
use crate::routes::params::Params;
use crate::routes::{App, query};

pub(super) async fn list(State(engine): State<App>, params: Params) -> Result<Response> {
    let filters = params.filters(list::FILTERS)?;
    let limit = query::number("limit", params.get("limit"))?;
    let command = list::List {
        all: params.flag("all"),
        limit: limit
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok()),
        size: params.flag("size"),
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
    let value = inspect::inspect(&engine, &container, params.flag("size")).await?;
    Ok(json(StatusCode::OK, &value))
}

pub(super) async fn top(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let arguments = params.get("ps_args").unwrap_or_default();
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
