//! Query parameters, read as Docker reads them.

use axum::extract::{FromRequestParts, Query};
use gantry_api::Filters;
use http::request::Parts;

use super::App;
use crate::error::{Error, Result};

/// The parameters of a request, in order.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The first value of `name`; empty counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `name` says yes: anything but nothing and Docker's words for no.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            let value = value.trim().to_ascii_lowercase();
            !["", "0", "no", "false", "none"].contains(&value.as_str())
        })
    }

    /// The `filters`, of which only `accepted` may be named.
    pub fn filters(&self, accepted: &[&str]) -> Result<Filters> {
        Filters::parse(self.get("filters"), accepted)
            .map_err(|error| Error::invalid(error.to_string()))
    }
}

impl FromRequestParts<App> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Params> {
        Query::from_request_parts(parts, app)
            .await
            .map(|Query(pairs)| Params(pairs))
            .map_err(|rejection| Error::invalid(rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn yes_is_what_docker_takes_for_yes() {
        for yes in ["1", "true", "True", "yes", "2"] {
            assert!(params(&[("x", yes)]).flag("x"), "{yes}");
        }
        for no in ["", "0", "no", "False", "none", " "] {
            assert!(!params(&[("x", no)]).flag("x"), "{no}");
        }
        assert!(!params(&[]).flag("x"));
    }

    #[test]
    fn values_keep_their_order() {
        let params = params(&[("n", "a"), ("m", ""), ("n", "b")]);
        assert_eq!(params.all("n").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.get("m"), None);
    }
}
