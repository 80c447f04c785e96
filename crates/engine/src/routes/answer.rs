//! Answers that many routes share.

use axum::body::Body;
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
