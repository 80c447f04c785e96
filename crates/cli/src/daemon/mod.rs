//! The daemon at the other end of the API.
//!
//! `bollard` makes the calls whose answers its models hold whole. What a person must see as the daemon said it
//! (`inspect`, `info`, event and progress streams) and the hijacked streams of attach and exec go over the same
//! connection by [`Daemon::call`]: a typed model would drop fields it doesn't know, and a terminal's bytes must
//! not be guessed at.

mod connect;
pub mod hijack;
pub mod lines;
pub mod transport;

use bollard::Docker;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use gantry_api::ApiVersion;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::error::{CliError, Result};
use crate::flags::filter::{Filters, for_query};
use transport::{Body, Transport, message_of};

/// `bollard` bounds each call by a time; ours end when the daemon or the person says so (a stop may take hours).
const NO_TIMEOUT_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// The largest answer held in memory at once: 500 containers are about 1 MB.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// A daemon, reached by one endpoint. Nothing is connected until the first call.
pub struct Daemon {
    docker: Docker,
    transport: Transport,
}

impl Daemon {
    /// The daemon at `endpoint`. `version` is the API version that the person demands, if any.
    pub fn new(endpoint: Endpoint, version: Option<ApiVersion>) -> Result<Daemon> {
        let transport = Transport::new(endpoint, version);
        let for_bollard = transport.clone();
        let docker = Docker::connect_with_custom_transport(
            move |request| {
                let transport = for_bollard.clone();
                async move { transport.send(request).await }
            },
            Some("http://gantry"),
            NO_TIMEOUT_SECONDS,
            bollard::API_DEFAULT_VERSION,
        )?;
        Ok(Daemon { docker, transport })
    }

    /// The typed client.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The API version that was settled on.
    pub fn version(&self) -> ApiVersion {
        self.transport.version()
    }

    /// Starts a call and returns its answer's head once that says success. `path` begins with `/` and has its
    /// segments encoded with [`segment`].
    pub async fn call(&self, call: Call<'_>) -> Result<Response<Incoming>> {
        let mut target = call.path.to_owned();
        if !call.query.is_empty() {
            target.push('?');
            target.push_str(&encode_query(&call.query));
        }
        let mut request = Request::builder().method(call.method).uri(target);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let response = self.transport.send(request.body(call.body)?).await?;
        let status = response.status();
        if status.is_success() || status.is_redirection() || status.as_u16() == 101 {
            return Ok(response);
        }
        let body = collect(response).await?;
        let message = match message_of(&body) {
            empty if empty.is_empty() => format!("{status} without a reason"),
            message => message,
        };
        Err(CliError::Daemon {
            status: status.as_u16(),
            message,
        })
    }

    /// The JSON at `path`, fields in the daemon's order.
    pub async fn get_json(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let bytes = self.get_bytes(path, query).await?;
        serde_json::from_slice(&bytes).map_err(|source| CliError::Answer {
            path: path.to_owned(),
            source,
        })
    }

    /// The list at `path`, of what `filters` let through.
    pub async fn list(&self, path: &str, filters: &Filters) -> Result<Value> {
        let filters = for_query(filters);
        let query: Vec<(&str, &str)> = filters
            .as_deref()
            .map(|filters| ("filters", filters))
            .into_iter()
            .collect();
        self.get_json(path, &query).await
    }

    /// The bytes at `path`.
    pub async fn get_bytes(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes> {
        let response = self.call(Call::get(path).with_query(query)).await?;
        collect(response).await
    }
}

/// One call of the API.
pub struct Call<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl<'a> Call<'a> {
    /// A GET of `path`.
    pub fn get(path: &'a str) -> Call<'a> {
        Call::new(Method::GET, path)
    }

    /// A POST to `path`, with no body until [`Call::body`] or [`Call::json`] gives one.
    pub fn post(path: &'a str) -> Call<'a> {
        Call::new(Method::POST, path)
    }

    /// Any method.
    pub fn new(method: Method, path: &'a str) -> Call<'a> {
        Call {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: transport::empty(),
        }
    }

    /// Adds parameters.
    pub fn with_query(mut self, pairs: &[(&str, &str)]) -> Call<'a> {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        self.query.extend(pairs);
        self
    }

    /// Adds a parameter.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Call<'a> {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a parameter where there is a value.
    pub fn query_some(self, name: &str, value: Option<impl Into<String>>) -> Call<'a> {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Call<'a> {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends `body` of the given type.
    pub fn body(self, content_type: &str, body: Body) -> Call<'a> {
        let mut call = self.header("content-type", content_type);
        call.body = body;
        call
    }

    /// Sends `value` as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Call<'a>> {
        let bytes = serde_json::to_vec(value).map_err(|source| CliError::Answer {
            path: self.path.to_owned(),
            source,
        })?;
        Ok(self.body("application/json", transport::full(bytes)))
    }
}

/// The whole of an answer, up to [`MAX_ANSWER`].
pub async fn collect(response: Response<Incoming>) -> Result<Bytes> {
    http_body_util::Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|source| CliError::Connection(std::io::Error::other(source)))
}

/// The answer's bytes as they come.
pub fn bytes(
    response: Response<Incoming>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Unpin + Send {
    response
        .into_body()
        .into_data_stream()
        .map(|chunk| chunk.map_err(std::io::Error::other))
}

/// A name as one piece of a path: everything is escaped that could end or leave it. Slashes and colons of image
/// references stay.
pub fn segment(name: &str) -> String {
    percent(name, b"-._~/:@")
}

fn encode_query(pairs: &[(String, String)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name, b"-._~"), percent(value, b"-._~")))
        .collect::<Vec<_>>()
        .join("&")
}

fn percent(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_path_is_escaped() {
        assert_eq!(segment("a?b#c d"), "a%3Fb%23c%20d");
        assert_eq!(segment("reg:5000/x:1@sha256:ab"), "reg:5000/x:1@sha256:ab");
        assert_eq!(
            encode_query(&[("filters".into(), "{\"a\":[\"b&c\"]}".into())]),
            "filters=%7B%22a%22%3A%5B%22b%26c%22%5D%7D"
        );
    }
}
