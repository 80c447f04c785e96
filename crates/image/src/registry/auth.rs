//! Answers to a registry's `401`: basic credentials, or a bearer token fetched from where the challenge says.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::body;
use super::endpoint::Endpoint;
use super::failure::{Asked, of_answer, of_request};
use crate::{Auth, ImageError, Reference};

/// Largest answer of a token server.
const MAX_TOKEN: u64 = 1 << 20;

/// What the registry wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
        error: Option<String>,
    },
}

/// The strongest challenge that we know.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = header.to_str() else { continue };
        for challenge in http_auth::ChallengeParser::new(text).map_while(Result::ok) {
            let param = |name: &str| {
                let mut params = challenge.params.iter();
                params
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = param("realm")
            {
                let (service, scope, error) = (param("service"), param("scope"), param("error"));
                return Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                    error,
                });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

/// The `Authorization` header that answers the challenge.
pub(super) async fn answer(
    challenge: Challenge,
    endpoint: &Endpoint,
    reference: &Reference,
    url: &str,
) -> Result<HeaderValue, ImageError> {
    match (challenge, &endpoint.auth) {
        (_, Some(Auth::RegistryToken(token))) => header("Bearer", token),
        (Challenge::Basic, Some(Auth::Password { user, password })) => {
            header("Basic", &basic(user, password))
        }
        (Challenge::Basic, _) => Err(ImageError::Unauthorized {
            detail: format!("Get {url:?}: no basic auth credentials"),
        }),
        (
            Challenge::Bearer {
                realm,
                service,
                scope,
                ..
            },
            auth,
        ) => {
            let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", reference.path()));
            let token = fetch_token(
                endpoint,
                reference,
                &realm,
                service.as_deref(),
                &scope,
                auth.as_ref(),
            )
            .await?;
            header("Bearer", &token)
        }
    }
}

fn header(scheme: &str, secret: &str) -> Result<HeaderValue, ImageError> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {secret}")).map_err(|_| {
        ImageError::Unauthorized {
            detail: "unauthorized: not a usable token".to_owned(),
        }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

async fn fetch_token(
    endpoint: &Endpoint,
    reference: &Reference,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    auth: Option<&Auth>,
) -> Result<String, ImageError> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let bad_realm = |why: &str| ImageError::Registry {
        registry: endpoint.host.clone(),
        detail: format!(
            "token server {:?}: {why}",
            realm.chars().take(200).collect::<String>()
        ),
    };
    let mut url = reqwest::Url::parse(realm).map_err(|error| bad_realm(&error.to_string()))?;
    match url.scheme() {
        "https" => {}
        "http" if endpoint.base.starts_with("http://") || auth.is_none() => {}
        "http" => return Err(bad_realm("credentials are not sent over plain HTTP")),
        _ => return Err(bad_realm("neither http nor https")),
    }
    let request = match auth {
        Some(Auth::IdentityToken(token)) => {
            let mut form =
                reqwest::Url::parse("form:").map_err(|error| bad_realm(&error.to_string()))?;
            form.query_pairs_mut()
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", token)
                .append_pair("client_id", "gantry")
                .append_pair("service", service.unwrap_or_default())
                .append_pair("scope", scope);
            let form = form.query().unwrap_or_default().to_owned();
            endpoint
                .client
                .post(url)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form)
        }
        auth => {
            {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                query.append_pair("scope", scope);
            }
            let request = endpoint.client.get(url);
            match auth {
                Some(Auth::Password { user, password }) => request.basic_auth(user, Some(password)),
                _ => request,
            }
        }
    };
    let stall_limit = endpoint.stall_limit;
    let answer = request
        .send()
        .await
        .map_err(|error| of_request(realm, &endpoint.host, stall_limit, error))?;
    let status = answer.status();
    let body = body::read(
        answer,
        "registry token",
        MAX_TOKEN,
        &endpoint.host,
        stall_limit,
    )
    .await?;
    if !status.is_success() {
        return Err(of_answer(
            status,
            &body,
            Asked::Token,
            reference,
            &endpoint.host,
        ));
    }
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|_| bad_realm("the answer is no token"))?;
    let token = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token);
    token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| bad_realm("the answer has no token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<Challenge> {
        challenge(&HeaderMap::from_iter([(
            WWW_AUTHENTICATE,
            HeaderValue::from_static(text),
        )]))
    }

    #[test]
    fn reads_challenges() {
        assert_eq!(parse("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(
            parse(
                r#"Bearer realm="https://auth/token",service="reg",scope="repository:a/b:pull",error="invalid_token""#
            ),
            Some(Challenge::Bearer {
                realm: "https://auth/token".into(),
                service: Some("reg".into()),
                scope: Some("repository:a/b:pull".into()),
                error: Some("invalid_token".into()),
            })
        );
        assert!(matches!(
            parse(r#"Basic realm="x", Bearer realm="y""#),
            Some(Challenge::Bearer { .. })
        ));
        for none in [
            "",
            "Negotiate",
            "Bearer service=\"no realm\"",
            "\"",
            "Bearer realm=\"unclosed",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
