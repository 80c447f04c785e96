//! Checking a login.

use super::Images;
use crate::registry::Repository;
use crate::{Auth, ImageError, Reference};

impl Images {
    /// Asks `registry` (`host[:port]`, or an address as Docker's clients write Docker Hub's) whether it takes the
    /// credentials. One that wants none takes any. Nothing is kept.
    ///
    /// # Errors
    /// [`ImageError::Unauthorized`] where it doesn't take them, and as for a pull where it doesn't answer.
    pub async fn login(&self, registry: &str, auth: &Auth) -> Result<(), ImageError> {
        let registries = &self.inner.registries;
        let reference = reference(registry)?;
        let last = registries.count(&reference) - 1;
        let endpoint = registries.endpoint(&reference, last, Some(auth)).await?;
        Repository::new(endpoint, reference).check_login().await
    }
}

/// The protocol knows no login without a repository; this one is never asked for.
fn reference(registry: &str) -> Result<Reference, ImageError> {
    let host = host(registry);
    let reference = Reference::parse(&format!("{host}/login"))?;
    if reference.domain() == host {
        return Ok(reference);
    }
    // A plain word is a name on Docker Hub, which must not get another's password: with its port it is a server.
    Ok(Reference::parse(&format!("{host}:443/login"))?)
}

/// Docker's clients send the address that they keep the login under, such as `https://index.docker.io/v1/`.
fn host(registry: &str) -> &str {
    let rest = registry
        .strip_prefix("https://")
        .or_else(|| registry.strip_prefix("http://"))
        .unwrap_or(registry);
    match rest.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_docker_hub_are_known() {
        for hub in [
            "",
            "docker.io",
            "https://index.docker.io/v1/",
            "index.docker.io",
        ] {
            assert_eq!(host(hub), "docker.io", "{hub}");
        }
        assert_eq!(host("registry.example:5000"), "registry.example:5000");
        assert_eq!(host("https://registry.example/v2/"), "registry.example");
    }

    #[test]
    fn a_login_goes_to_the_server_that_it_names() {
        for (registry, domain) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("registry.example", "registry.example"),
            ("localhost", "localhost"),
            ("[::1]:5000", "[::1]:5000"),
            ("myregistry", "myregistry:443"),
        ] {
            let reference = reference(registry).expect("a server");
            assert_eq!(reference.domain(), domain, "{registry}");
        }
        for none in ["a b", "a@b"] {
            assert!(reference(none).is_err(), "{none}");
        }
    }
}
