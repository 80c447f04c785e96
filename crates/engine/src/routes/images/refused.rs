//! What this engine doesn't do with images, each said in a sentence; and the build cache that it doesn't have.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::routes::answer;

pub async fn search() -> Result<Response> {
    Err(Error::unsupported(
        "searching for images is not supported: look on your registry's website, then pull by name",
    ))
}

pub fn push() -> Result<Response> {
    Err(Error::unsupported(
        "pushing images is not supported yet: save the image to an archive and push that with another tool",
    ))
}

pub async fn build() -> Result<Response> {
    Err(Error::unsupported(
        "building images is not supported yet: build elsewhere, then pull or load the image",
    ))
}

pub async fn commit() -> Result<Response> {
    Err(Error::unsupported(
        "making images of containers is not supported yet: export the container and import the archive",
    ))
}

pub async fn distribution() -> Result<Response> {
    Err(Error::unsupported(
        "looking at images in a registry without pulling them is not supported",
    ))
}

/// Nothing is built, so nothing is cached: `docker system prune` asks all the same.
pub async fn build_prune() -> Response {
    answer::json(
        StatusCode::OK,
        &json!({ "CachesDeleted": Value::Null, "SpaceReclaimed": 0 }),
    )
}
