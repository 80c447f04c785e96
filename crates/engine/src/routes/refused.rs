//! What Docker's API has and this engine doesn't do, each said in a sentence. Images have their own: `images::refused`.

use axum::Router;
use axum::extract::Path;
use axum::routing::any;

use super::App;
use crate::error::{Error, Result};

/// The routes.
pub fn routes() -> Router<App> {
    let mut router = Router::new()
        .route("/swarm/init", any(new_swarm))
        .route("/swarm/join", any(new_swarm))
        .route("/plugins/{*path}", any(plugins))
        .route("/session", any(buildkit))
        .route("/grpc", any(buildkit))
        .route("/containers/{name}/attach/ws", any(web_socket))
        .route("/containers/{name}/checkpoints", any(checkpoints))
        .route("/containers/{name}/checkpoints/{id}", any(checkpoints));
    for of_a_swarm in ["swarm", "nodes", "services", "tasks", "secrets", "configs"] {
        router = router
            .route(&format!("/{of_a_swarm}"), any(no_swarm))
            .route(&format!("/{of_a_swarm}/{{*path}}"), any(no_swarm));
    }
    router
}

/// With dockerd's status: tools that look whether there is a swarm take it for "no".
async fn no_swarm() -> Result<()> {
    Err(Error::Unavailable(
        "This node is not a swarm manager, and this engine doesn't do swarms".to_owned(),
    ))
}

async fn new_swarm() -> Result<()> {
    Err(Error::unsupported("this engine doesn't do swarms"))
}

/// What asks for one by name takes 404 for an answer: `docker inspect` looks among plugins for whatever it's given.
async fn plugins(Path(path): Path<String>) -> Result<()> {
    Err(match path.strip_suffix("/json") {
        Some(name) => Error::not_found(format!("plugin \"{name}\" not found")),
        None => Error::unsupported("this engine has no plugins"),
    })
}

async fn buildkit() -> Result<()> {
    Err(Error::unsupported(
        "building images is not supported yet: build elsewhere, then pull or load the image",
    ))
}

async fn web_socket() -> Result<()> {
    Err(Error::unsupported(
        "attaching by a WebSocket is not supported: attach by an upgraded connection",
    ))
}

async fn checkpoints() -> Result<()> {
    Err(Error::unsupported("checkpoints are not supported"))
}
