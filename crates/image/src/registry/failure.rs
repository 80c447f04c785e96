//! From what registries answer to errors in dockerd's words.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{ImageError, Reference};

/// `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"…"}]}`
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Manifest,
    Blob,
    Token,
}

/// An answer that is no success.
pub(super) fn of_answer(
    status: StatusCode,
    body: &[u8],
    asked: Asked,
    reference: &Reference,
    registry: &str,
) -> ImageError {
    let registry = registry.to_owned();
    let first = serde_json::from_slice::<Envelope>(body)
        .ok()
        .and_then(|envelope| envelope.errors.into_iter().next());
    let Some(Entry { code, message }) = first else {
        return match status {
            StatusCode::NOT_FOUND if asked == Asked::Manifest => ImageError::ManifestUnknown {
                reference: reference.familiar(),
                detail: "manifest unknown: the registry answered 404 Not Found".to_owned(),
            },
            StatusCode::UNAUTHORIZED => ImageError::Unauthorized {
                detail: "unauthorized: authentication required".to_owned(),
            },
            StatusCode::FORBIDDEN => ImageError::AccessDenied {
                name: reference.familiar_name(),
                detail: "denied: the registry answered 403 Forbidden".to_owned(),
            },
            StatusCode::TOO_MANY_REQUESTS => ImageError::TooManyRequests {
                detail: "the registry answered 429 Too Many Requests".to_owned(),
            },
            _ if status.is_server_error() => ImageError::Failing {
                registry,
                status: status.to_string(),
            },
            _ => ImageError::Registry {
                registry,
                detail: format!("received unexpected HTTP status: {status}"),
            },
        };
    };
    let message = message.unwrap_or_else(|| "unknown error".to_owned());
    let words = code.to_lowercase().replace('_', " ");
    let detail = printable(&format!("{words}: {message}"));
    match code.as_str() {
        "MANIFEST_UNKNOWN" => ImageError::ManifestUnknown {
            reference: reference.familiar(),
            detail,
        },
        "NAME_UNKNOWN" => ImageError::RepositoryUnknown {
            name: reference.familiar_name(),
            detail,
        },
        "DENIED" => ImageError::AccessDenied {
            name: reference.familiar_name(),
            detail,
        },
        "UNAUTHORIZED" => ImageError::Unauthorized { detail },
        "TOOMANYREQUESTS" => ImageError::TooManyRequests {
            detail: printable(&message),
        },
        _ => ImageError::Registry { registry, detail },
    }
}

/// A request that got no answer.
pub(crate) fn of_request(
    url: &str,
    registry: &str,
    stall_limit: Duration,
    error: reqwest::Error,
) -> ImageError {
    if error.is_timeout() {
        return ImageError::Stalled {
            registry: registry.to_owned(),
            limit: stall_limit,
        };
    }
    let mut detail = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !detail.contains(&words) {
            detail = if detail.is_empty() {
                words
            } else {
                format!("{detail}: {words}")
            };
        }
        cause = error.source();
    }
    if error.is_redirect() {
        return ImageError::Registry {
            registry: registry.to_owned(),
            detail: printable(&format!("following a redirect: {detail}")),
        };
    }
    if detail.is_empty() {
        detail = error.without_url().to_string();
    }
    ImageError::Unreachable {
        url: url.to_owned(),
        detail: printable(&detail),
    }
}

/// A registry's words, fit to be shown: no control characters, not endless.
fn printable(text: &str) -> String {
    text.chars()
        .take(500)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: u16, body: &str) -> String {
        let reference = Reference::parse("x:nope").expect("reference");
        let status = StatusCode::from_u16(status).expect("status");
        of_answer(status, body.as_bytes(), Asked::Manifest, &reference, "host").to_string()
    }

    #[test]
    fn says_it_in_dockers_words() {
        assert_eq!(
            text(
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#
            ),
            "manifest for x:nope not found: manifest unknown: manifest unknown"
        );
        assert_eq!(
            text(
                403,
                r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#
            ),
            "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
        );
        assert_eq!(
            text(
                404,
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#
            ),
            "repository x not found: name unknown: repository name not known to registry"
        );
        assert_eq!(
            text(500, "<html>"),
            "registry host: received unexpected HTTP status: 500 Internal Server Error"
        );
        assert!(
            text(400, r#"{"errors":[{"code":"X","message":"a\u001b[31mb"}]}"#)
                .ends_with("x: a [31mb")
        );
    }
}
