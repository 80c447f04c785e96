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
        // The protocol knows no login without a repository; this one is never asked for.
        let reference = Reference::parse(&format!("{}/login", host(registry)))?;
        let last = registries.count(&reference) - 1;
        let endpoint = registries.endpoint(&reference, last, Some(auth)).await?;
        Repository::new(endpoint, reference).check_login().await
    }
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
}
