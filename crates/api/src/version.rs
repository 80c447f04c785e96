//! Versions of the API: which we speak, and how a path names one.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A version of the API, ordered as Docker orders them (1.9 before 1.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

/// A version that can't be served, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// Not of the form `1.47`.
    #[error("invalid API version {0:?}")]
    Malformed(String),
    /// Newer than [`ApiVersion::MAX`].
    #[error("client version {0} is too new. Maximum supported API version is {max}", max = ApiVersion::MAX)]
    TooNew(ApiVersion),
    /// Older than [`ApiVersion::MIN`].
    #[error(
        "client version {0} is too old. Minimum supported API version is {min}, \
         please upgrade your client to a newer version",
        min = ApiVersion::MIN
    )]
    TooOld(ApiVersion),
}

impl ApiVersion {
    /// The oldest version that is served.
    pub const MIN: ApiVersion = ApiVersion::new(1, 24);
    /// The newest version that is served, and the one of a path without a version.
    pub const MAX: ApiVersion = ApiVersion::new(1, 47);

    /// Version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> ApiVersion {
        ApiVersion { major, minor }
    }

    /// Splits `/v1.47/containers/json` into the version it names and the rest, `/containers/json`.
    ///
    /// A path that names no version is for [`ApiVersion::MAX`]. A version out of our range is an error.
    pub fn split_path(path: &str) -> Result<(ApiVersion, &str), VersionError> {
        let Some(tail) = path.strip_prefix("/v") else {
            return Ok((ApiVersion::MAX, path));
        };
        let (name, rest) = match tail.find('/') {
            Some(end) => tail.split_at(end),
            None => (tail, ""),
        };
        // `/volumes` and `/version` start with a v too: only a digit makes it a version.
        if !name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok((ApiVersion::MAX, path));
        }
        let version = name.parse::<ApiVersion>()?;
        version.check()?;
        Ok((version, rest))
    }

    fn check(self) -> Result<(), VersionError> {
        if self > ApiVersion::MAX {
            return Err(VersionError::TooNew(self));
        }
        if self < ApiVersion::MIN {
            return Err(VersionError::TooOld(self));
        }
        Ok(())
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<ApiVersion, VersionError> {
        let number = |part: &str| {
            // `parse` alone would take "+1".
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(ApiVersion::new(number(major)?, number(minor)?)))
            .ok_or_else(|| VersionError::Malformed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_name_a_version() {
        let v = |minor| ApiVersion::new(1, minor);
        assert_eq!(ApiVersion::split_path("/v1.41/info"), Ok((v(41), "/info")));
        assert_eq!(
            ApiVersion::split_path("/info"),
            Ok((ApiVersion::MAX, "/info"))
        );
        assert_eq!(
            ApiVersion::split_path("/volumes"),
            Ok((ApiVersion::MAX, "/volumes"))
        );
        assert_eq!(
            ApiVersion::split_path("/version"),
            Ok((ApiVersion::MAX, "/version"))
        );
        assert_eq!(ApiVersion::split_path("/v1.47"), Ok((v(47), "")));
    }

    #[test]
    fn versions_out_of_range_are_refused_in_dockers_words() {
        let says = |path| ApiVersion::split_path(path).map_err(|e| e.to_string());
        assert_eq!(
            says("/v1.99/info"),
            Err("client version 1.99 is too new. Maximum supported API version is 1.47".into())
        );
        assert_eq!(
            says("/v1.9/info"),
            Err(
                "client version 1.9 is too old. Minimum supported API version is 1.24, \
                 please upgrade your client to a newer version"
                    .into()
            )
        );
        for bad in [
            "/v1/info",
            "/v1.+4/info",
            "/v1.4.1/info",
            "/v1.99999999/info",
            "/v1./info",
        ] {
            assert!(
                matches!(ApiVersion::split_path(bad), Err(VersionError::Malformed(_))),
                "{bad}"
            );
        }
    }
}
