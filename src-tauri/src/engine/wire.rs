//! Calls whose answer is bytes rather than JSON: a terminal, and a log.
//!
//! `bollard` tells frames from raw bytes by looking at them: a program that prints a zero byte would end its
//! terminal, and a log without line ends would gather in memory. Here the caller knows what comes, and is given the
//! bytes.

use std::time::Duration;

use bollard::errors::Error as ClientError;
use bytes::Bytes;
use gantry_api::ErrorBody;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use super::endpoint::{Address, TIMEOUT};
use super::local::{self, Stream};
use crate::error::{CommandError, ErrorCode};

/// How much is read of what the engine says about a failure.
const MAX_REFUSAL: usize = 64 * 1024;

/// An engine's address, and the API version spoken there.
pub struct Wire {
    address: Address,
    version: String,
}

impl Wire {
    /// Nothing is connected yet.
    pub fn new(address: Address, version: String) -> Self {
        Self { address, version }
    }

    /// Asks for `path` (which may have a query) and answers the body as it comes.
    pub async fn get(&self, path: &str) -> Result<Incoming, CommandError> {
        let request = self.request(Method::GET, path).body(Full::default());
        Ok(self.send(request.map_err(unsendable)?).await?.into_body())
    }

    /// Posts `body` to `path`, and takes the connection over.
    pub async fn take_over(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<TokioIo<Upgraded>, CommandError> {
        let body = serde_json::to_vec(body).map_err(unsendable)?;
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "tcp")
            .body(Full::from(body));
        let response = self.send(request.map_err(unsendable)?).await?;
        let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
        Ok(TokioIo::new(upgraded))
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/v{}{path}", self.version))
            .header(header::HOST, "gantry")
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CommandError> {
        let answer = async {
            let stream = self.connect().await.map_err(broken)?;
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
            // It ends with the answer's body, or with the connection that was taken over.
            tokio::spawn(async move {
                if let Err(error) = connection.with_upgrades().await {
                    tracing::debug!(%error, "connection to the engine");
                }
            });
            let response = sender.send_request(request).await.map_err(broken)?;
            let status = response.status();
            if status.is_success() || status.as_u16() == 101 {
                return Ok(response);
            }
            let body = Limited::new(response.into_body(), MAX_REFUSAL)
                .collect()
                .await
                .map_err(broken)?
                .to_bytes();
            let message = serde_json::from_slice::<ErrorBody>(&body).map_or_else(
                |_| String::from_utf8_lossy(&body).trim().to_owned(),
                |error| error.message,
            );
            Err(CommandError::from(ClientError::DockerResponseServerError {
                status_code: status.as_u16(),
                message,
            }))
        };
        tokio::time::timeout(Duration::from_secs(TIMEOUT), answer)
            .await
            .map_err(|_| broken(format!("no answer within {TIMEOUT} s")))?
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Local(path) => Ok(Box::new(local::connect(path).await?)),
            Address::Tcp(host) => {
                let stream = TcpStream::connect(host).await?;
                // Keys are told one by one.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// `id` as a part of a path. Ids are of letters and digits; what isn't must not become another path.
pub fn segment(id: &str) -> Result<&str, CommandError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !id.is_empty() && id.bytes().all(plain) && id.bytes().any(|byte| byte != b'.') {
        Ok(id)
    } else {
        Err(CommandError::new(
            ErrorCode::InvalidInput,
            format!("{id:?} is no id"),
        ))
    }
}

fn unsendable(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(ErrorCode::Failed, error.to_string())
}

fn broken(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(
        ErrorCode::EngineAway,
        format!("the engine does not answer: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_part_of_a_path() {
        assert_eq!(segment("0a9F_b.c-d").expect("an id"), "0a9F_b.c-d");
        for id in ["", "..", ".", "a/b", "a?b", "a#b", "a%2fb", "a b", "é"] {
            assert!(segment(id).is_err(), "{id}");
        }
    }
}
