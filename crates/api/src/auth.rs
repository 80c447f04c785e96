//! Credentials for a registry: the `X-Registry-Auth` header and the body of `POST /auth`.

use std::fmt;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A header longer than this is no login: identity tokens of cloud registries are a few KiB.
const BOUND: usize = 64 * 1024;

/// What a client knows of an account at a registry. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistryAuth {
    /// The account.
    pub username: String,
    /// Its password or access token.
    pub password: String,
    /// `user:password` in base64, as `~/.docker/config.json` has it; used where the two above are empty.
    pub auth: String,
    /// The registry the account is for.
    pub serveraddress: String,
    /// An OAuth2 refresh token, instead of a password.
    pub identitytoken: String,
    /// A bearer token to send as it is.
    pub registrytoken: String,
}

/// A header that holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Longer than any login.
    #[error("invalid X-Registry-Auth header: longer than {BOUND} bytes")]
    TooLong,
    /// Not base64.
    #[error("invalid X-Registry-Auth header: must be a valid base64url-encoded string")]
    NotBase64,
    /// Not the JSON that Docker's clients send. The parser's own words are left out: they may quote a secret.
    #[error("invalid X-Registry-Auth header: not a JSON object of credentials")]
    NotJson,
}

impl RegistryAuth {
    /// Reads the header's value: base64url of JSON, padded or not. An empty value or `{}` is no login.
    pub fn from_header(value: &str) -> Result<Option<RegistryAuth>, AuthError> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        if value.len() > BOUND {
            return Err(AuthError::TooLong);
        }
        let json = decode(value).ok_or(AuthError::NotBase64)?;
        // `null` is what a Go client sends for no login at all.
        let auth: Option<RegistryAuth> =
            serde_json::from_slice(&json).map_err(|_| AuthError::NotJson)?;
        Ok(auth
            .map(RegistryAuth::resolved)
            .filter(|auth| !auth.is_anonymous()))
    }

    /// Whether it names no account and no token.
    pub fn is_anonymous(&self) -> bool {
        self.username.is_empty() && self.identitytoken.is_empty() && self.registrytoken.is_empty()
    }

    /// The same with `auth` taken apart into account and password where these were missing.
    pub fn resolved(mut self) -> RegistryAuth {
        if self.username.is_empty()
            && let Some(pair) = decode(&self.auth).and_then(|bytes| String::from_utf8(bytes).ok())
            && let Some((username, password)) = pair.split_once(':')
        {
            self.username = username.to_owned();
            self.password = password.trim_end_matches('\0').to_owned();
        }
        self
    }
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth")
            .field("username", &self.username)
            .field("serveraddress", &self.serveraddress)
            .finish_non_exhaustive()
    }
}

/// Both alphabets, padding or none: clients differ.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url = GeneralPurpose::new(&URL_SAFE, config);
    let standard = GeneralPurpose::new(&STANDARD, config);
    url.decode(text).or_else(|_| standard.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

    const LOGIN: &str =
        r#"{"username":"ann","password":"s?>cret","serveraddress":"registry.example"}"#;

    #[test]
    fn a_login_is_read_in_each_encoding() {
        for header in [
            URL_SAFE.encode(LOGIN),
            URL_SAFE_NO_PAD.encode(LOGIN),
            STANDARD.encode(LOGIN),
        ] {
            let auth = RegistryAuth::from_header(&header).unwrap().unwrap();
            assert_eq!(
                (auth.username.as_str(), auth.password.as_str()),
                ("ann", "s?>cret")
            );
        }
    }

    #[test]
    fn the_pair_is_taken_apart() {
        let json = format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("ann:a:b"));
        let auth = RegistryAuth::from_header(&URL_SAFE.encode(json))
            .unwrap()
            .unwrap();
        assert_eq!(
            (auth.username.as_str(), auth.password.as_str()),
            ("ann", "a:b")
        );
    }

    #[test]
    fn no_login_is_none() {
        for header in ["", " ", &URL_SAFE.encode("{}"), &URL_SAFE.encode("null")] {
            assert_eq!(RegistryAuth::from_header(header), Ok(None), "{header:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_quoted() {
        assert_eq!(RegistryAuth::from_header("%%%"), Err(AuthError::NotBase64));
        let broken = URL_SAFE.encode(r#"{"password":["hush"]}"#);
        let error = RegistryAuth::from_header(&broken).unwrap_err();
        assert_eq!(error, AuthError::NotJson);
        assert!(!error.to_string().contains("hush"));
        assert_eq!(
            RegistryAuth::from_header(&"A".repeat(BOUND + 1)),
            Err(AuthError::TooLong)
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let auth = RegistryAuth {
            password: "hush".into(),
            identitytoken: "hush".into(),
            ..Default::default()
        };
        assert!(!format!("{auth:?}").contains("hush"));
    }
}
