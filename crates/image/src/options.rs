//! How the store reaches registries, and how far it goes.

use std::time::Duration;

/// Settings of a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tried in order before `docker.io` itself: `https://host[:port]` or `http://…`, without a path.
    pub registry_mirrors: Vec<String>,
    /// `host[:port]` or a network `10.0.0.0/8`: TLS certificates are not verified, and plain HTTP is the fall-back.
    /// Loopback always counts as insecure, as with Docker.
    pub insecure_registries: Vec<String>,
    /// A registry that sends nothing for this long has failed.
    pub stall_limit: Duration,
    /// Before a download that brought nothing is tried again; each further pause is twice as long.
    pub retry_pause: Duration,
    /// Layers that are fetched at once.
    pub concurrent_downloads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            registry_mirrors: Vec::new(),
            insecure_registries: Vec::new(),
            stall_limit: Duration::from_secs(30),
            retry_pause: Duration::from_secs(1),
            concurrent_downloads: 3,
        }
    }
}
