//! The HTTP side of the engine: one file a resource, each with `pub fn routes() -> Router<App>`.
//!
//! A handler parses and validates the request into a typed command, calls one engine function, and converts its value.
//! Paths are written without the `/v1.NN` prefix: `prefix` takes it off before routing, checks it, and leaves the
//! version in the request's extensions.

pub mod answer;
mod archive;
pub mod body;
mod containers;
mod events;
mod exec;
mod hijack;
mod images;
mod networks;
pub mod params;
mod prefix;
mod query;
mod refused;
mod sys;
mod system;
mod volumes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};

pub use prefix::strip_version;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::state::Engine;

/// What handlers get by `State<App>`.
pub type App = Arc<Engine>;

/// All routes.
pub fn router(engine: App) -> Router {
    Router::new()
        .merge(archive::routes())
        .merge(images::routes())
        .merge(networks::routes())
        .merge(system::routes())
        .merge(volumes::routes())
        .merge(containers::routes())
        .merge(events::routes())
        .merge(exec::routes())
        .merge(refused::routes())
        .fallback(|| async { Error::not_found("page not found") })
        .method_not_allowed_fallback(|| async { Error::not_found("page not found") })
        .layer(DefaultBodyLimit::max(body::JSON))
        .layer(middleware::map_response(answer::in_json))
        .layer(middleware::from_fn(detach))
        .with_state(engine)
}

/// Tells a handler that nobody waits for its answer any more. For work that only the client wanted.
#[derive(Clone, Debug)]
pub struct ClientGone(CancellationToken);

impl ClientGone {
    /// What `work` comes to, or an error when the client leaves before: `work` is dropped then.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Internal`] for nobody to read.
    pub async fn or<T>(self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.0.cancelled() => Err(Error::Internal("the client has left".to_owned())),
        }
    }
}

/// Runs each handler in a task of its own: a client that leaves must not cut a start or a removal in half. Bodies that
/// stream are polled by the connection, so those end with the client; what comes before a body is told by
/// [`ClientGone`].
async fn detach(mut request: Request, next: Next) -> Response {
    let gone = CancellationToken::new();
    request.extensions_mut().insert(ClientGone(gone.clone()));
    // The connection drops this future when its client leaves.
    let _gone = gone.drop_guard();
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::error!(%failure, "a handler panicked");
            Error::Internal("the engine failed at this request: see its log".to_owned())
                .into_response()
        }
    }
}
