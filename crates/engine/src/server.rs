//! Serves the API on unix sockets.
//!
//! `half_close(false)`: a client that closed its side is gone, so the future that writes its answer is dropped and
//! streams (logs, events, stats) end at once. Requests themselves run in tasks of their own: see `routes::detach`.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tower::ServiceExt as _;

use crate::error::{Error, Result};
use crate::lent::Lent;
use crate::routes::strip_version;

/// How long a connection may lie idle, as with dockerd. A client that asks once in a while must not meet the very moment
/// at which its connection is closed.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// A socket that is bound; its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds `path`, in place of a socket that nobody listens on; readable and writable for `group`.
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Socket> {
        let failed = |what: &str| Error::io(format!("can't {what} socket {}", path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("make the folder of"))?;
        }
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(Error::conflict(format!(
                    "another engine listens on {}",
                    path.display()
                )));
            }
            std::fs::remove_file(path).map_err(failed("replace"))?;
        }
        // Connecting needs the right to write, which the process's umask leaves to the owner: nobody else gets in before
        // the group is right.
        let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
        let socket = Socket {
            listener,
            path: path.to_owned(),
        };
        if let Some(group) = group {
            std::os::unix::fs::chown(path, None, Some(group)).map_err(failed("give the group"))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
            .map_err(failed("open up"))?;
        Ok(socket)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts clients until cancelled.
    pub async fn serve(&self, router: Router) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, router.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those of leaving clients come back, and spinning helps nobody.
                    tracing::warn!(%error, "can't accept a client");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "can't remove the socket");
        }
    }
}

async fn connection(stream: UnixStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = Lent::new(body);
            let request = Request::from_parts(head, Body::new(body.clone()));
            let response = answer(request, router).await;
            if response.status().is_client_error() || response.status().is_server_error() {
                body.drain().await;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        .max_buf_size(64 << 10)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(request: Request, router: Router) -> Response {
    let mut response = match strip_version(request) {
        Ok(request) => router
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {}),
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(version) = HeaderValue::from_str(&gantry_api::ApiVersion::MAX.to_string()) {
        headers.insert("Api-Version", version);
    }
    headers.insert("Docker-Experimental", HeaderValue::from_static("false"));
    headers.insert("Ostype", HeaderValue::from_static("linux"));
    headers.insert(
        http::header::SERVER,
        HeaderValue::from_static(concat!("Gantry/", env!("CARGO_PKG_VERSION"), " (linux)")),
    );
    response
}
