//! Answers that many routes share.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use gantry_api::ErrorBody;
use http::{StatusCode, header};
use serde::Serialize;

use crate::error::{Error, Kind};

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let status =
            StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if kind == Kind::NotModified {
            return status.into_response();
        }
        if kind == Kind::Internal {
            tracing::error!(error = ?self, "request failed");
        }
        json(
            status,
            &ErrorBody {
                message: self.to_string(),
            },
        )
    }
}

/// Longest refusal of the router's own, in bytes.
const REFUSAL: usize = 4 << 10;

/// What the router refuses by itself (a body that is too long, a path that isn't UTF-8), in the form of all errors.
pub async fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(is_plain && (status.is_client_error() || status.is_server_error())) {
        return response;
    }
    let words = to_bytes(response.into_body(), REFUSAL)
        .await
        .unwrap_or_default();
    let message = String::from_utf8_lossy(&words).into_owned();
    json(status, &ErrorBody { message })
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            (
                status,
                [(header::CONTENT_TYPE, "application/json")],
                Body::from(body),
            )
                .into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
