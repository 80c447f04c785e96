//! `POST /containers/{name}/wait`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use gantry_api::models::{ContainerWaitExitError, ContainerWaitResponse};
use http::header;

use crate::containers::wait::{self, Condition};
use crate::error::Result;
use crate::routes::App;
use crate::routes::params::Params;

/// The head of the answer goes out at once: that is how a client knows that it waits, before it starts the container.
pub(super) async fn wait(
    State(engine): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response> {
    let condition = Condition::parse(params.get("condition").unwrap_or_default())?;
    let waiting = wait::begin(&engine.containers.find(&name)?, condition);
    let body = futures::stream::once(async move {
        let waited = waiting.done().await;
        let error = Some(waited.error).filter(|error| !error.is_empty());
        let answer = ContainerWaitResponse {
            status_code: i64::from(waited.code),
            error: error.map(|message| ContainerWaitExitError {
                message: Some(message),
            }),
        };
        let mut line = serde_json::to_vec(&answer).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(line))
    });
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(body),
    )
        .into_response())
}
