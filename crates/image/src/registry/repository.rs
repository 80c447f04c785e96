//! One repository at one server.

use std::sync::{Mutex, PoisonError};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};

use super::auth::{self, Challenge};
use super::body;
use super::endpoint::Endpoint;
use super::failure::{Asked, of_answer, of_request};
use super::manifest::{self, Descriptor, MAX_MANIFEST};
use crate::{Digest, ImageError, Reference};

/// Largest error body that is read.
const MAX_ERROR: u64 = 64 << 10;

/// Asks for manifests and blobs of the repository that a reference names.
pub(crate) struct Repository {
    endpoint: Endpoint,
    reference: Reference,
    /// The last answer to a challenge; tokens are asked for again when they have run out.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Repository {
    pub(crate) fn new(endpoint: Endpoint, reference: Reference) -> Repository {
        Repository {
            endpoint,
            reference,
            authorization: Mutex::default(),
        }
    }

    /// The server's name.
    pub(crate) fn host(&self) -> &str {
        &self.endpoint.host
    }

    /// How long the server may be silent.
    pub(crate) fn stall_limit(&self) -> std::time::Duration {
        self.endpoint.stall_limit
    }

    /// Whether the server takes the endpoint's credentials.
    pub(crate) async fn check_login(&self) -> Result<(), ImageError> {
        let url = format!("{}/v2/", self.endpoint.base);
        self.get(&url, None, None, Asked::Token).await.map(drop)
    }

    /// A manifest by tag or digest, and its digest.
    pub(crate) async fn manifest(
        &self,
        wanted: &Reference,
    ) -> Result<(Vec<u8>, Digest), ImageError> {
        let by = match (wanted.digest(), wanted.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let url = format!(
            "{}/v2/{}/manifests/{by}",
            self.endpoint.base,
            self.reference.path()
        );
        let answer = self
            .get(&url, Some(manifest::ACCEPT), None, Asked::Manifest)
            .await?;
        let promised = answer.headers().get("docker-content-digest");
        let promised = promised
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<Digest>().ok());
        let body = self.read(answer, "image manifest", MAX_MANIFEST).await?;
        let actual = Digest::of(&body);
        match wanted.digest().or(promised) {
            Some(expected) if expected != actual => Err(ImageError::DigestMismatch {
                what: "image manifest",
                expected,
                actual,
            }),
            _ => Ok((body, actual)),
        }
    }

    /// A small blob, read whole and checked.
    pub(crate) async fn small_blob(
        &self,
        descriptor: &Descriptor,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, ImageError> {
        let Descriptor { digest, size, .. } = *descriptor;
        if size > limit {
            return Err(ImageError::TooLarge { what, limit });
        }
        let answer = self.blob(digest, 0).await?;
        let body = match self.read(answer, what, size).await {
            Err(ImageError::TooLarge { .. }) => {
                return Err(ImageError::SizeMismatch {
                    what,
                    digest,
                    expected: size,
                    actual: size + 1,
                });
            }
            result => result?,
        };
        if body.len() as u64 != size {
            return Err(ImageError::SizeMismatch {
                what,
                digest,
                expected: size,
                actual: body.len() as u64,
            });
        }
        match Digest::of(&body) {
            actual if actual != digest => Err(ImageError::DigestMismatch {
                what,
                expected: digest,
                actual,
            }),
            _ => Ok(body),
        }
    }

    /// A blob from `offset` on: `200` with all of it, or `206` with the rest.
    pub(crate) async fn blob(&self, digest: Digest, offset: u64) -> Result<Response, ImageError> {
        let url = format!(
            "{}/v2/{}/blobs/{digest}",
            self.endpoint.base,
            self.reference.path()
        );
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        self.get(&url, None, range.as_deref(), Asked::Blob).await
    }

    async fn get(
        &self,
        url: &str,
        accept: Option<&str>,
        range: Option<&str>,
        asked: Asked,
    ) -> Result<Response, ImageError> {
        let mut challenged = false;
        loop {
            let mut request = self.endpoint.client.get(url);
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            let authorization = self
                .authorization
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            let answer = request.send().await.map_err(|error| {
                of_request(url, &self.endpoint.host, self.endpoint.stall_limit, error)
            })?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            if status == StatusCode::UNAUTHORIZED && !self.endpoint.is(answer.url()) {
                return Err(self.refused_elsewhere(&answer));
            }
            let challenge =
                auth::challenge(answer.headers()).filter(|_| status == StatusCode::UNAUTHORIZED);
            match challenge {
                Some(challenge) if !challenged => {
                    challenged = true;
                    let value =
                        auth::answer(challenge, &self.endpoint, &self.reference, url).await?;
                    *self
                        .authorization
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(value);
                }
                // The token is good, but not for this: so do registries hide what isn't there.
                Some(Challenge::Bearer {
                    error: Some(error), ..
                }) if error == "insufficient_scope" => {
                    return Err(ImageError::AccessDenied {
                        name: self.reference.familiar_name(),
                        detail: "denied: requested access to the resource is denied".to_owned(),
                    });
                }
                _ => {
                    let body = self
                        .read(answer, "registry's error", MAX_ERROR)
                        .await
                        .unwrap_or_default();
                    return Err(of_answer(
                        status,
                        &body,
                        asked,
                        &self.reference,
                        &self.endpoint.host,
                    ));
                }
            }
        }
    }

    /// A server that the registry redirected to wants credentials. Ours are for the registry: what another one
    /// challenges us to, such as to send them to a token server of its choice, is not done.
    fn refused_elsewhere(&self, answer: &Response) -> ImageError {
        ImageError::Registry {
            registry: self.endpoint.host.clone(),
            detail: format!(
                "redirected to {}, which answered {}",
                answer.url().host_str().unwrap_or_default(),
                answer.status()
            ),
        }
    }

    async fn read(
        &self,
        answer: Response,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, ImageError> {
        body::read(
            answer,
            what,
            limit,
            &self.endpoint.host,
            self.endpoint.stall_limit,
        )
        .await
    }
}
