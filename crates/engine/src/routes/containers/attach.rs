//! `POST /containers/{name}/attach`.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use gantry_runtime::AttachOptions;
use gantry_runtime::log::Query;

use super::logs::{Shape, so_far};
use crate::containers::attach::{self, Attached};
use crate::containers::detach::DetachKeys;
use crate::containers::logs;
use crate::error::{Error, Result};
use crate::routes::App;
use crate::routes::hijack::{Hijack, Session};
use crate::routes::params::Params;

pub(super) async fn attach(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
    mut request: Request,
) -> Result<Response> {
    let container = engine.containers.find(&name)?;
    let wants = |key: &str| params.flag(key);
    let (tty, open_stdin) = container.with(|record| {
        (
            record.definition.config.tty == Some(true),
            record.definition.config.open_stdin == Some(true),
        )
    });
    let keys = DetachKeys::parse(params.get("detachKeys").unwrap_or_default())?;
    let options = AttachOptions {
        stdin: wants("stdin") && open_stdin,
        stdout: wants("stdout"),
        stderr: wants("stderr"),
    };
    if !(wants("logs") || wants("stream")) {
        return Err(Error::invalid("an attach needs logs, stream, or both"));
    }
    let before = if wants("logs") {
        let question = Query {
            stdout: options.stdout,
            stderr: options.stderr,
            follow: false,
            ..Query::default()
        };
        so_far(
            logs::open(&engine, &container, question).await?,
            Shape {
                timestamps: false,
                raw: tty,
            },
        )
        .await?
    } else {
        Vec::new()
    };
    let attached = if wants("stream") {
        attach::attach(&engine, &container, options).await?
    } else {
        Attached::Ended
    };
    let hijack = Hijack::of(&mut request, tty);
    let keys = (tty && options.stdin).then_some(keys);
    let ready = async move {
        let stream = match attached {
            Attached::Now(stream) => Some(stream),
            // The sender goes without a word when the start fails: there is nothing to see then.
            Attached::AtStart(stream) => stream.await.ok(),
            Attached::Ended => None,
        };
        Some(Session {
            before,
            stream,
            keys,
        })
    };
    Ok(hijack.run(ready, async {}))
}
