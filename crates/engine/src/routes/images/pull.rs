//! `POST /images/create`: pull and import.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use gantry_image::{Platform, Reference};
use http::HeaderMap;
use serde_json::json;
use tokio::io::AsyncRead;

use super::{login, progress, reference};
use crate::error::{Error, Result};
use crate::routes::body::{reader, streamed, work_body};
use crate::routes::params::Params;
use crate::routes::{App, ClientGone};

pub async fn create(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    gone: Extension<ClientGone>,
    body: Body,
) -> Result<Response> {
    let platform = params
        .get("platform")
        .map(str::parse::<Platform>)
        .transpose()
        .map_err(|error| Error::invalid(error.to_string()))?;
    match (params.get("fromImage"), params.get("fromSrc")) {
        (Some(name), None) => {
            // The registry may be slow to say anything at all.
            let pulling = pull(app, name, &params, platform, &headers);
            gone.0.or(pulling).await
        }
        (None, Some("-")) => import(&app, &params, platform, "-", reader(body)).await,
        (None, Some(url)) => {
            let fetching = async {
                let tar = app.images.fetch(url).await?;
                import(&app, &params, platform, url, tar).await
            };
            gone.0.or(fetching).await
        }
        _ => Err(Error::invalid(
            "one of `fromImage` and `fromSrc` must be given",
        )),
    }
}

async fn pull(
    app: App,
    name: &str,
    params: &Params,
    platform: Option<Platform>,
    headers: &HeaderMap,
) -> Result<Response> {
    let wanted = reference(name, params.get("tag"))?;
    // Reading a name gives it a tag, so what was said is looked at: the part behind the registry.
    let last = name.rsplit('/').next().unwrap_or_default();
    if params.get("tag").is_none() && !last.contains([':', '@']) {
        return Err(all_tags(&wanted));
    }
    let auth = login(headers);
    let (lines, received) = progress::channel();
    let work = async move {
        app.images
            .pull(&wanted, platform, auth, lines.progress())
            .await?;
        Ok(())
    };
    let body = work_body(received, work, Some(progress::failure)).await?;
    Ok(streamed(progress::TYPE, body))
}

fn all_tags(name: &Reference) -> Error {
    let name = name.familiar_name();
    Error::unsupported(format!(
        "pulling all tags of {name} is not supported: say which one, as {name}:latest"
    ))
}

async fn import(
    app: &App,
    params: &Params,
    platform: Option<Platform>,
    source: &str,
    tar: impl AsyncRead + Send + 'static,
) -> Result<Response> {
    let images = app.images.clone();
    let target = params
        .get("repo")
        .map(|name| reference(name, params.get("tag")))
        .transpose()?;
    let message = params
        .get("message")
        .map_or_else(|| format!("Imported from {source}"), str::to_owned);
    let changes: Vec<String> = params.all("changes").map(str::to_owned).collect();
    let (lines, received) = progress::channel();
    if source != "-" {
        lines.send(&json!({ "status": format!("Downloading from {source}") }));
    }
    let work = async move {
        let id = images
            .import(tar, target, platform, &message, &changes)
            .await?;
        lines.send(&json!({ "status": id.to_string() }));
        Ok(())
    };
    let body = work_body(received, work, Some(progress::failure)).await?;
    Ok(streamed(progress::TYPE, body))
}
