//! The `/v1.NN` before a path.

use axum::extract::Request;
use gantry_api::ApiVersion;
use http::Uri;

use crate::error::{Error, Result};

/// Takes `/v1.NN` off the path. The version (ours where none is said) goes into the request's extensions; one that we
/// don't serve is an error that names what we do.
pub fn strip_version(mut request: Request) -> Result<Request> {
    let (version, rest) = ApiVersion::split_path(request.uri().path())
        .map_err(|error| Error::invalid(error.to_string()))?;
    if rest.len() != request.uri().path().len() {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let stripped: Uri = format!("{slash}{rest}{query}")
            .parse()
            .map_err(|_| Error::invalid("the path can't be understood"))?;
        *request.uri_mut() = stripped;
    }
    request.extensions_mut().insert(version);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn stripped(uri: &str) -> Result<String> {
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        strip_version(request).map(|request| request.uri().to_string())
    }

    #[test]
    fn the_prefix_goes_and_the_query_stays() {
        assert_eq!(
            stripped("/v1.41/containers/json?all=1").unwrap(),
            "/containers/json?all=1"
        );
        assert_eq!(stripped("/version").unwrap(), "/version");
        assert_eq!(stripped("/v1.41").unwrap(), "/");
    }

    #[test]
    fn versions_that_are_not_served_are_the_clients_fault() {
        assert_eq!(stripped("/v1.99/info").unwrap_err().kind().status(), 400);
    }
}
