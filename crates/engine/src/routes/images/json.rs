//! What the API says of images.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_api::ApiVersion;
use gantry_image::{Image, Reference};
use http::StatusCode;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Result;
use crate::images::filter::{LIST, Wanted, labels};
use crate::routes::App;
use crate::routes::answer;
use crate::routes::params::Params;

/// Since this version an image without a name has an empty list of names, before it `<none>:<none>`.
const EMPTY_NAMES: ApiVersion = ApiVersion::new(1, 43);

pub async fn list(
    State(app): State<App>,
    params: Params,
    version: axum::Extension<ApiVersion>,
) -> Result<Response> {
    let wanted = Wanted::new(
        params.filters(LIST)?,
        &app.images,
        OffsetDateTime::now_utc(),
    )
    .await?;
    let shared = if params.flag("shared-size") {
        let usage = app.images.usage().await?;
        usage
            .images
            .into_iter()
            .map(|image| (image.id, image.shared_size))
            .collect()
    } else {
        HashMap::new()
    };
    let images: Vec<Value> = app
        .images
        .list()
        .await?
        .iter()
        .filter(|image| wanted.accepts(image))
        .map(|image| {
            summary(
                image,
                &wanted,
                shared.get(&image.id).copied(),
                None,
                version.0,
            )
        })
        .collect();
    Ok(answer::json(StatusCode::OK, &images))
}

/// One line of a list. `-1` stands for what wasn't counted.
pub fn summary(
    image: &Image,
    wanted: &Wanted,
    shared: Option<u64>,
    containers: Option<usize>,
    version: ApiVersion,
) -> Value {
    let shown = |names: &[Reference]| -> Vec<String> {
        names
            .iter()
            .filter(|name| wanted.shows(name))
            .map(Reference::familiar)
            .collect()
    };
    let (mut tags, mut digests) = (shown(&image.repo_tags), shown(&image.repo_digests));
    if version < EMPTY_NAMES && tags.is_empty() {
        tags.push("<none>:<none>".to_owned());
        if digests.is_empty() {
            digests.push("<none>@<none>".to_owned());
        }
    }
    let mut value = json!({
        "Containers": containers.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX)),
        "Created": image.created.unix_timestamp(),
        "Id": image.id.to_string(),
        "Labels": labels(image),
        "ParentId": "",
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": shared.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        "Size": image.size,
    });
    if version < ApiVersion::new(1, 44) {
        value["VirtualSize"] = json!(image.size);
    }
    value
}

pub async fn inspect(app: &App, name: &str, version: ApiVersion) -> Result<Response> {
    let image = app.images.get(name).await?;
    Ok(answer::json(StatusCode::OK, &details(&image, version)))
}

fn details(image: &Arc<Image>, version: ApiVersion) -> Value {
    // The config as it came knows fields (`Author`, `docker_version`, `container`) that the parsed one may not.
    let raw: Value = serde_json::from_slice(&image.config_json).unwrap_or_default();
    let text = |key: &str| raw.get(key).and_then(Value::as_str).unwrap_or_default();
    let comment = raw
        .get("history")
        .and_then(Value::as_array)
        .and_then(|history| history.last())
        .and_then(|last| last.get("comment"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let names =
        |names: &[Reference]| -> Vec<String> { names.iter().map(Reference::familiar).collect() };
    let folders: Vec<String> = image
        .layers
        .iter()
        .rev()
        .map(|layer| layer.path.display().to_string())
        .collect();
    let mut data = Map::new();
    if let Some((upper, lower)) = folders.split_first() {
        data.insert("UpperDir".to_owned(), json!(upper));
        if !lower.is_empty() {
            data.insert("LowerDir".to_owned(), json!(lower.join(":")));
        }
    }
    let platform = image.platform();
    let mut value = json!({
        "Id": image.id.to_string(),
        "RepoTags": names(&image.repo_tags),
        "RepoDigests": names(&image.repo_digests),
        "Parent": "",
        "Comment": comment,
        "Created": text("created"),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config(raw.get("config")),
        "Architecture": platform.architecture,
        "Os": platform.os,
        "Size": image.size,
        "GraphDriver": { "Name": crate::system::STORAGE_DRIVER, "Data": data },
        "RootFS": {
            "Type": "layers",
            "Layers": image.layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>(),
        },
        "Metadata": { "LastTagTime": image.last_tagged.format(&Rfc3339).unwrap_or_default() },
    });
    if let Some(variant) = platform.variant {
        value["Variant"] = json!(variant);
    }
    if version < ApiVersion::new(1, 44) {
        value["VirtualSize"] = json!(image.size);
    }
    value
}

/// The image's config with all fields that Docker shows: clients index into them.
fn config(raw: Option<&Value>) -> Value {
    let mut config = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
        "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    });
    if let (Some(fields), Some(Value::Object(raw))) = (config.as_object_mut(), raw) {
        for (key, value) in raw {
            fields.insert(key.clone(), value.clone());
        }
    }
    config
}

pub async fn history(app: &App, name: &str) -> Result<Response> {
    let history: Vec<Value> = app
        .images
        .history(name)
        .await?
        .into_iter()
        .map(|step| {
            let tags: Vec<String> = step.tags.iter().map(Reference::familiar).collect();
            json!({
                "Id": step.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
                "Created": step.created.unix_timestamp(),
                "CreatedBy": step.created_by,
                "Tags": if tags.is_empty() { Value::Null } else { json!(tags) },
                "Size": step.size,
                "Comment": step.comment,
            })
        })
        .collect();
    Ok(answer::json(StatusCode::OK, &history))
}
