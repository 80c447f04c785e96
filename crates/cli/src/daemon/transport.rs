//! The connection to the daemon: HTTP/1.1 over whatever the endpoint is, kept open between calls, with the API
//! version settled on the way.
//!
//! Docker's own client asks the daemon for its version before each command. Here the newest version that both
//! could speak is assumed; only a daemon that refuses it costs a second call.

use std::sync::{Arc, Mutex, PoisonError};

use bollard::BollardRequest;
use bollard::errors::Error;
use bytes::Bytes;
use gantry_api::{ApiVersion, ErrorBody};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::HOST, uri::PathAndQuery};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::connect;
use crate::endpoint::Endpoint;

/// A request's body as `bollard` makes it: in one piece, or streamed.
pub type Body = Either<Full<Bytes>, BodyStream>;
/// The streamed half of [`Body`].
pub type BodyStream = http_body_util::StreamBody<
    std::pin::Pin<
        Box<dyn futures::Stream<Item = Result<hyper::body::Frame<Bytes>, std::io::Error>> + Send>,
    >,
>;

/// A body without a byte.
pub fn empty() -> Body {
    Either::Left(Full::new(Bytes::new()))
}

/// A body in one piece.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

/// A body read as it goes.
pub fn streamed(
    stream: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Body {
    use futures::StreamExt;
    Either::Right(http_body_util::StreamBody::new(Box::pin(
        stream.map(|chunk| chunk.map(hyper::body::Frame::data)),
    )))
}

/// How many bytes of a refusal are read to learn the daemon's version from it.
const MAX_REFUSAL: usize = 16 * 1024;

/// Why the endpoint could not be reached; travels inside an `io::Error`, since `bollard`'s errors have no place for it.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {endpoint}: {source}")]
pub struct ConnectError {
    /// The address as a person writes it.
    pub endpoint: String,
    /// What the kernel said.
    pub source: std::io::Error,
}

/// Connections to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Transport(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    idle: Mutex<Vec<SendRequest<Body>>>,
    version: Mutex<Version>,
}

/// The API version that calls are made with.
#[derive(Clone, Copy)]
struct Version {
    used: ApiVersion,
    /// The daemon has taken it, or the person demands it: a refusal is the answer then.
    settled: bool,
}

impl Transport {
    /// Connections to `endpoint`, none opened yet. `version` is what the person demands, if they do.
    pub fn new(endpoint: Endpoint, version: Option<ApiVersion>) -> Transport {
        Transport(Arc::new(Inner {
            endpoint,
            idle: Mutex::new(Vec::new()),
            version: Mutex::new(Version {
                used: version.unwrap_or(ApiVersion::MAX),
                settled: version.is_some(),
            }),
        }))
    }

    /// The API version that calls are made with at present.
    pub fn version(&self) -> ApiVersion {
        self.state().used
    }

    fn state(&self) -> Version {
        *self
            .0
            .version
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls are made with `offered` from now on, unless it is newer than ours.
    fn settle(&self, offered: ApiVersion) {
        let mut state = self
            .0
            .version
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.used = state.used.min(offered);
        state.settled = true;
    }

    /// Sends `request`; its path may begin with a version, which is replaced by the one in use.
    pub async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let (parts, body) = request.into_parts();
        let again = match &body {
            Either::Left(full) if parts.method != Method::HEAD => Some(full.clone()),
            // A stream can be sent only once, and a refusal of HEAD has no words: learn the version first.
            _ => {
                self.settle_by_ping().await?;
                None
            }
        };
        let response = self.once(parts.clone(), body).await?;
        if self.state().settled {
            return Ok(response);
        }
        if response.status() != StatusCode::BAD_REQUEST {
            self.settle(self.version());
            return Ok(response);
        }
        let Some(again) = again else {
            return Ok(response);
        };
        let (head, text) = refusal(response).await?;
        match offered(&text) {
            Some(version) if version < self.version() => {
                self.settle(version);
                self.once(parts, Either::Left(again)).await
            }
            _ => Err(Error::DockerResponseServerError {
                status_code: head.status.as_u16(),
                message: message_of(&text),
            }),
        }
    }

    async fn settle_by_ping(&self) -> Result<(), Error> {
        if self.state().settled {
            return Ok(());
        }
        let (parts, body) = Request::get("/_ping").body(empty())?.into_parts();
        let response = self.once(parts, body).await?;
        let offered = response
            .headers()
            .get("api-version")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        if let Some(version) = offered {
            self.settle(version);
        }
        Ok(())
    }

    async fn once(
        &self,
        mut parts: http::request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, Error> {
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        parts.uri = versioned(path, self.version()).parse()?;
        parts
            .headers
            .insert(HOST, HeaderValue::from_static("gantry"));
        let mut sender = self.connection().await?;
        let response = sender
            .send_request(Request::from_parts(parts, body))
            .await?;
        self.idle().push(sender);
        Ok(response)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Body>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is free, or a new one.
    async fn connection(&self) -> Result<SendRequest<Body>, Error> {
        {
            let mut idle = self.idle();
            idle.retain(|sender| !sender.is_closed());
            if let Some(at) = idle.iter().position(SendRequest::is_ready) {
                return Ok(idle.swap_remove(at));
            }
        }
        let stream = connect::open(&self.0.endpoint).await.map_err(|source| {
            std::io::Error::other(ConnectError {
                endpoint: self.0.endpoint.to_string(),
                source,
            })
        })?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; an error reaches the call that waits for the answer.
        tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }
}

async fn refusal(response: Response<Incoming>) -> Result<(http::response::Parts, Vec<u8>), Error> {
    let (head, body) = response.into_parts();
    let text = http_body_util::Limited::new(body, MAX_REFUSAL)
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes()
        .to_vec();
    Ok((head, text))
}

/// The daemon's words out of an error's body.
pub fn message_of(body: &[u8]) -> String {
    serde_json::from_slice::<ErrorBody>(body)
        .map(|error| error.message)
        .unwrap_or_else(|_| String::from_utf8_lossy(body).trim().to_owned())
}

/// "client version 1.47 is too new. Maximum supported API version is 1.41" says 1.41.
fn offered(body: &[u8]) -> Option<ApiVersion> {
    let message = message_of(body);
    let (_, rest) = message.split_once("Maximum supported API version is ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// `path` under `version`; `/_ping` is the same in all of them.
fn versioned(path: &str, version: ApiVersion) -> String {
    if path.starts_with("/_ping") {
        return path.to_owned();
    }
    let bare = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or(path);
    format!("/v{version}{bare}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_in_the_path_is_replaced() {
        let version = ApiVersion::new(1, 41);
        assert_eq!(
            versioned("/v1.47/containers/json?all=1", version),
            "/v1.41/containers/json?all=1"
        );
        assert_eq!(versioned("/info", version), "/v1.41/info");
        assert_eq!(versioned("/_ping", version), "/_ping");
    }

    #[test]
    fn the_offered_version_is_read_from_the_refusal() {
        let body = br#"{"message":"client version 1.47 is too new. Maximum supported API version is 1.41"}"#;
        assert_eq!(offered(body), Some(ApiVersion::new(1, 41)));
        assert_eq!(offered(b"{\"message\":\"invalid reference format\"}"), None);
        assert_eq!(offered(b"<html>"), None);
    }
}
