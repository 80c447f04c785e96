//! `POST /containers/create`.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use gantry_api::create;
use gantry_api::models::ContainerCreateResponse;
use http::StatusCode;

use crate::containers::create::Create;
use crate::error::{Error, Result};
use crate::routes::App;
use crate::routes::answer::json;
use crate::routes::params::Params;

pub(super) async fn create(
    State(engine): State<App>,
    params: Params,
    body: Bytes,
) -> Result<Response> {
    let parsed = create::parse(&body).map_err(|error| Error::invalid(error.to_string()))?;
    if !parsed.unknown.is_empty() {
        return Err(Error::invalid(format!(
            "unknown fields: {}. Nothing was created, since what they ask for could not be done",
            parsed.unknown.join(", ").escape_debug()
        )));
    }
    let text = |key: &str| params.get(key).map(str::to_owned);
    let command = Create {
        name: text("name"),
        platform: text("platform"),
        body: parsed.body,
    };
    let created = crate::containers::create::create(&engine, command).await?;
    let answer = ContainerCreateResponse {
        id: created.id.as_str().to_owned(),
        warnings: created.warnings,
    };
    Ok(json(StatusCode::CREATED, &answer))
}
