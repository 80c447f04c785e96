//! `/images`, and what belongs to images elsewhere in the API.
//!
//! An image's name has slashes in it, so `/images/{name}/…` is taken apart here: [`named`].

mod delete;
mod json;
mod progress;
mod pull;
mod refused;
mod transfer;

pub(super) use json::summary;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gantry_api::{ApiVersion, RegistryAuth};
use gantry_image::{Auth, Reference};
use http::{HeaderMap, Method, StatusCode};

use super::App;
use super::params::Params;
use crate::error::{Error, Result};

/// The routes of this resource.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/images/json", get(json::list))
        .route("/images/create", post(pull::create))
        .route("/images/load", post(transfer::load))
        .route("/images/get", get(transfer::save_many))
        .route("/images/prune", post(delete::prune))
        .route("/images/search", get(refused::search))
        .route("/images/{*path}", get(named).post(named).delete(named))
        .route("/build", post(refused::build))
        .route("/build/prune", post(refused::build_prune))
        .route("/commit", post(refused::commit))
        .route("/distribution/{*path}", get(refused::distribution))
}

/// `/images/{name}` and `/images/{name}/{verb}`.
async fn named(
    State(app): State<App>,
    method: Method,
    Path(path): Path<String>,
    params: Params,
    version: axum::Extension<ApiVersion>,
) -> Result<Response> {
    let (name, verb) = match path.rsplit_once('/') {
        _ if method == Method::DELETE => (path.as_str(), ""),
        Some((name, verb)) => (name, verb),
        None => return Err(Error::not_found("page not found")),
    };
    if name.is_empty() {
        return Err(Error::invalid("an image's name is missing in the path"));
    }
    match (method.as_str(), verb) {
        ("GET", "json") => json::inspect(&app, name, version.0).await,
        ("GET", "history") => json::history(&app, name).await,
        ("GET", "get") => transfer::save(&app, vec![name.to_owned()]).await,
        ("POST", "tag") => tag(&app, name, &params).await,
        ("POST", "push") => refused::push(),
        ("DELETE", _) => delete::remove(&app, name, &params).await,
        _ => Err(Error::not_found("page not found")),
    }
}

async fn tag(app: &App, name: &str, params: &Params) -> Result<Response> {
    let repository = params
        .get("repo")
        .ok_or_else(|| Error::invalid("the new name, `repo`, is missing"))?;
    let target = reference(repository, params.get("tag"))?;
    app.images.tag(name, &target).await?;
    Ok((StatusCode::CREATED, Body::empty()).into_response())
}

/// A name and a tag or digest that came apart.
fn reference(name: &str, tag: Option<&str>) -> Result<Reference> {
    let text = match tag {
        Some(digest) if digest.contains(':') => format!("{name}@{digest}"),
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    };
    Reference::parse(&text).map_err(|error| Error::invalid(error.to_string()))
}

/// The login that came with a request. One that can't be read is none, as with dockerd: a client that has nothing to
/// say says it in many ways.
fn login(headers: &HeaderMap) -> Option<Auth> {
    let value = headers.get("X-Registry-Auth")?;
    match RegistryAuth::from_header(value.to_str().unwrap_or_default()) {
        Ok(auth) => auth.and_then(self::auth),
        Err(error) => {
            tracing::debug!(%error, "a login that can't be read");
            None
        }
    }
}

/// A client's credentials as the image store takes them; none where it has none.
pub(super) fn auth(auth: RegistryAuth) -> Option<Auth> {
    if auth.is_anonymous() {
        None
    } else if !auth.registrytoken.is_empty() {
        Some(Auth::RegistryToken(auth.registrytoken))
    } else if !auth.identitytoken.is_empty() {
        Some(Auth::IdentityToken(auth.identitytoken))
    } else {
        Some(Auth::Password {
            user: auth.username,
            password: auth.password,
        })
    }
}
