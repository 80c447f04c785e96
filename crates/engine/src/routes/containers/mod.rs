//! `/containers`: one file a group of verbs.

mod attach;
mod create;
mod lifecycle;
mod logs;
mod read;
mod stats;
mod wait;

use axum::Router;
use axum::routing::{delete, get, post};

use super::App;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/containers/json", get(read::list))
        .route("/containers/create", post(create::create))
        .route("/containers/prune", post(lifecycle::prune))
        .route("/containers/{name}", delete(lifecycle::remove))
        .route("/containers/{name}/json", get(read::inspect))
        .route("/containers/{name}/top", get(read::top))
        .route("/containers/{name}/changes", get(read::changes))
        .route("/containers/{name}/logs", get(logs::logs))
        .route("/containers/{name}/stats", get(stats::stats))
        .route("/containers/{name}/attach", post(attach::attach))
        .route("/containers/{name}/resize", post(lifecycle::resize))
        .route("/containers/{name}/start", post(lifecycle::start))
        .route("/containers/{name}/stop", post(lifecycle::stop))
        .route("/containers/{name}/restart", post(lifecycle::restart))
        .route("/containers/{name}/kill", post(lifecycle::kill))
        .route("/containers/{name}/pause", post(lifecycle::pause))
        .route("/containers/{name}/unpause", post(lifecycle::unpause))
        .route("/containers/{name}/rename", post(lifecycle::rename))
        .route("/containers/{name}/update", post(lifecycle::update))
        .route("/containers/{name}/wait", post(wait::wait))
}
