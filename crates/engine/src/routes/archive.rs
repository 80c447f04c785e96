//! `/containers/{name}/archive` and `/containers/{id}/export`: `docker cp` and `docker export`.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tokio::sync::oneshot;

use super::App;
use super::body::{blocking_body, blocking_reader, streamed};
use super::params::Params;
use crate::archive::container::{Access, Files};
use crate::archive::pack::Asked;
use crate::archive::stat::PathStat;
use crate::containers::notes;
use crate::error::{Error, Result};
use crate::state::off_reactor;

const TAR: &str = "application/x-tar";

/// The routes of this resource.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/containers/{name}/archive",
            get(copy_out).head(stat).put(copy_in),
        )
        .route("/containers/{name}/export", get(export))
}

fn asked(params: &Params) -> Result<Asked> {
    let path = params
        .get("path")
        .ok_or_else(|| Error::invalid("the parameter `path` is missing"))?;
    if path.contains('\0') {
        return Err(Error::invalid("a path can't hold a zero byte"));
    }
    Ok(Asked::new(path))
}

async fn stat(State(app): State<App>, Path(id): Path<String>, params: Params) -> Result<Response> {
    let asked = asked(&params)?;
    let container = app.containers.find(&id)?;
    let turn = container.turn().await;
    let files = Files::of(&app, container.record(), &id, Access::Read, true).await?;
    let stat = off_reactor(move || files.stat(&asked)).await??;
    drop(turn);
    Ok(with_stat(StatusCode::OK.into_response(), &stat))
}

async fn copy_out(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response> {
    let asked = asked(&params)?;
    let container = app.containers.find(&id)?;
    let turn = container.turn().await;
    let record = container.record();
    let files = Files::of(&app, record.clone(), &id, Access::Read, true).await?;
    let (tell, told) = oneshot::channel();
    let body = blocking_body(move |out| {
        files.copy_out(&asked, out, |stat| {
            // Whoever asked may be gone.
            let _ = tell.send(stat);
        })
    })
    .await?;
    drop(turn);
    let stat = told
        .await
        .map_err(|_| Error::Internal("copying ended before it began".to_owned()))?;
    notes::publish(&app, &record, "archive-path", &[]);
    Ok(with_stat(streamed(TAR, body), &stat))
}

async fn copy_in(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    body: Body,
) -> Result<Response> {
    let asked = asked(&params)?;
    let (keep_kinds, own) = (
        params.flag("noOverwriteDirNonDir"),
        params.flag("copyUIDGID"),
    );
    let container = app.containers.find(&id)?;
    let turn = container.turn().await;
    let record = container.record();
    let files = Files::of(&app, record.clone(), &id, Access::Write, true).await?;
    let hold_on = files.needs_turn();
    let archive = blocking_reader(body);
    let (begin, begun) = oneshot::channel();
    let work = tokio::spawn(off_reactor(move || {
        files.copy_in(&asked, archive, keep_kinds, own, || {
            // Always awaited below.
            let _ = begin.send(());
        })
    }));
    // An error is a failure before it began, which the work itself tells.
    let _ = begun.await;
    // A running container's root is in the view now, and stopping it must not wait for a slow client.
    let turn = hold_on.then_some(turn);
    work.await
        .map_err(|failure| Error::Internal(format!("copying failed: {failure}")))???;
    drop(turn);
    notes::publish(&app, &record, "extract-to-dir", &[]);
    Ok(StatusCode::OK.into_response())
}

async fn export(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let container = app.containers.find(&id)?;
    let turn = container.turn().await;
    let record = container.record();
    let files = Files::of(&app, record.clone(), &id, Access::Read, false).await?;
    let body = blocking_body(move |out| files.export(out)).await?;
    drop(turn);
    notes::publish(&app, &record, "export", &[]);
    Ok(streamed("application/octet-stream", body))
}

fn with_stat(mut response: Response, stat: &PathStat) -> Response {
    let json = json!({
        "name": stat.name,
        "size": stat.size,
        "mode": stat.mode,
        "mtime": stat.mtime.format(&Rfc3339).unwrap_or_default(),
        "linkTarget": stat.link_target,
    });
    let text = base64::engine::general_purpose::STANDARD.encode(json.to_string());
    if let Ok(value) = HeaderValue::from_str(&text) {
        response
            .headers_mut()
            .insert("X-Docker-Container-Path-Stat", value);
    }
    response
}
