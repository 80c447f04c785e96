//! `/containers/{name}/exec` and `/exec`.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use gantry_api::models::{ExecConfig, ExecStartConfig};
use gantry_api::{StreamFrame, StreamKind};
use http::StatusCode;

use super::answer::json;
use super::hijack::{Hijack, Session};
use super::params::Params;
use super::{App, query};
use crate::containers::console_size;
use crate::containers::detach::DetachKeys;
use crate::error::{Error, Result};
use crate::exec;

/// Longest body of a start.
const LONGEST: usize = 1 << 20;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/containers/{name}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(inspect))
}

async fn create(
    State(engine): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response> {
    let container = engine.containers.find(&name)?;
    let config: ExecConfig = serde_json::from_slice(&body)
        .map_err(|error| Error::invalid(format!("invalid JSON: {error}")))?;
    DetachKeys::parse(config.detach_keys.as_deref().unwrap_or_default())?;
    let id = exec::create(&engine, &container, config)?;
    // Spelled as the daemon does, not as the specification's `IDResponse` does.
    Ok(json(StatusCode::CREATED, &serde_json::json!({ "Id": id })))
}

async fn start(
    State(engine): State<App>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response> {
    let body = std::mem::take(request.body_mut());
    let body = to_bytes(body, LONGEST)
        .await
        .map_err(|_| Error::invalid("the body can't be read"))?;
    let asked: ExecStartConfig = if body.iter().all(u8::is_ascii_whitespace) {
        ExecStartConfig::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Error::invalid(format!("invalid JSON: {error}")))?
    };
    let known = engine.execs.get(&id)?;
    let tty = known.config.tty == Some(true);
    let size = console_size(asked.console_size.as_deref())
        .or_else(|| console_size(known.config.console_size.as_deref()));
    let detach = asked.detach == Some(true);
    let keys = DetachKeys::parse(known.config.detach_keys.as_deref().unwrap_or_default())?;
    let was_new = known.state() == exec::ExecState::Created;
    let started = exec::start(
        &engine,
        &id,
        exec::StartExec {
            detach,
            console_size: size,
        },
    )
    .await;
    if detach {
        started?;
        return Ok(StatusCode::OK.into_response());
    }
    let hijack = Hijack::of(&mut request, tty);
    let running = match started {
        Ok(running) => running,
        // Docker has taken the connection over by now: its client looks for the reason in the stream, and for the
        // exit code in the exec.
        Err(error) if was_new && matches!(known.state(), exec::ExecState::Ended { .. }) => {
            return Ok(hijack.say(in_stream(&error.to_string(), tty)));
        }
        Err(error) => return Err(error),
    };
    let keys = (tty && known.config.attach_stdin == Some(true)).then_some(keys);
    let stream = running.stream;
    let ready = async move {
        Some(Session {
            before: Vec::new(),
            stream: Some(stream?),
            keys,
        })
    };
    // A client asks for the exit code as soon as the stream ends: it must be known by then.
    let ended = running.exec;
    Ok(hijack.run(ready, async move { ended.ended().await }))
}

/// A message as the process's own output would be sent.
fn in_stream(message: &str, tty: bool) -> Vec<u8> {
    let line = format!("{message}\r\n");
    if tty {
        return line.into_bytes();
    }
    let mut frame = BytesMut::new();
    StreamFrame::encode(StreamKind::Stdout, line.as_bytes(), &mut frame);
    frame.to_vec()
}

async fn resize(
    State(engine): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<StatusCode> {
    let size = query::size(params.get("h"), params.get("w"))?;
    exec::resize(&engine, &id, size).await?;
    Ok(StatusCode::OK)
}

async fn inspect(State(engine): State<App>, Path(id): Path<String>) -> Result<Response> {
    Ok(json(
        StatusCode::OK,
        &exec::inspect(&*engine.execs.get(&id)?),
    ))
}
