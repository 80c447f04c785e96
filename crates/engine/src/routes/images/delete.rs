//! Removing images: one, and all that nobody uses.

use axum::extract::State;
use axum::response::Response;
use gantry_image::Removed;
use http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::error::Result;
use crate::events::Subject;
use crate::images::filter::{PRUNE, Wanted};
use crate::images::uses;
use crate::routes::App;
use crate::routes::answer;
use crate::routes::params::Params;

pub async fn remove(app: &App, name: &str, params: &Params) -> Result<Response> {
    // `noprune` keeps unnamed parents, and images have none here: layers belong to those that use them.
    let removed = app
        .images
        .remove(name, params.flag("force"), &|id| uses(&app.containers, id))
        .await?;
    Ok(answer::json(StatusCode::OK, &lines(&removed)))
}

pub async fn prune(State(app): State<App>, params: Params) -> Result<Response> {
    let wanted = Wanted::new(
        params.filters(PRUNE)?,
        &app.images,
        OffsetDateTime::now_utc(),
    )
    .await?;
    // Without a word only those without a name go; `dangling=false` means all that nobody uses.
    let dangling_only = wanted.dangling().unwrap_or(true);
    let wanted = wanted.of_any_kind();
    let keep = |image: &gantry_image::Image| {
        !wanted.accepts(image) || !uses(&app.containers, &image.id).is_empty()
    };
    let (removed, bytes) = app.images.prune(dangling_only, &keep).await?;
    app.events.publish_prune(Subject::Image, bytes);
    let value = json!({
        "ImagesDeleted": if removed.is_empty() { Value::Null } else { json!(lines(&removed)) },
        "SpaceReclaimed": bytes,
    });
    Ok(answer::json(StatusCode::OK, &value))
}

fn lines(removed: &[Removed]) -> Vec<Value> {
    removed
        .iter()
        .map(|line| match line {
            Removed::Untagged(name) => json!({ "Untagged": name }),
            Removed::Deleted(id) => json!({ "Deleted": id }),
        })
        .collect()
}
