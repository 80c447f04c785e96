//! Which servers serve a reference, and how they are reached.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use super::failure::of_request;
use crate::reference::DOCKER_IO;
use crate::{Auth, ImageError, Options, Reference};

/// Where Docker Hub's registry really is.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// Redirects of one request; blobs are usually redirected once.
const MAX_REDIRECTS: usize = 5;

/// All registries, by the engine's settings.
pub(crate) struct Registries {
    mirrors: Vec<Server>,
    insecure: Vec<Insecure>,
    pub(crate) stall_limit: Duration,
    /// Made when first needed: reading the system's certificates takes time and memory.
    clients: Mutex<HashMap<Way, reqwest::Client>>,
}

/// `scheme://host[:port]`, scheme empty where it must be found out.
#[derive(Debug, Clone)]
struct Server {
    scheme: &'static str,
    host: String,
}

#[derive(Debug, Clone)]
enum Insecure {
    Host(String),
    Network(IpAddr, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    verify: bool,
    proxy: bool,
}

/// A server ready to be asked.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) client: reqwest::Client,
    /// `https://host[:port]`
    pub(crate) base: String,
    pub(crate) host: String,
    pub(crate) stall_limit: Duration,
    /// Nothing for mirrors: a person's password for Docker Hub is not theirs.
    pub(crate) auth: Option<Auth>,
}

impl Way {
    /// Blocking: it reads the system's certificates.
    fn client(self, stall_limit: Duration) -> Result<reqwest::Client, ImageError> {
        // Whoever came first has chosen; both speak the same TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(stall_limit)
            .read_timeout(stall_limit)
            .redirect(redirects(self.verify))
            .referer(false);
        if !self.verify {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if !self.proxy {
            builder = builder.no_proxy();
        }
        builder
            .build()
            .map_err(|error| of_request("", "", stall_limit, error))
    }
}

impl Endpoint {
    /// Whether a URL is of this server: same scheme, host and port.
    pub(crate) fn is(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }
}

impl Registries {
    pub(crate) fn new(options: &Options) -> Result<Registries, ImageError> {
        let mirrors = options
            .registry_mirrors
            .iter()
            .map(|text| parse_mirror(text))
            .collect::<Result<_, _>>()?;
        let insecure = options
            .insecure_registries
            .iter()
            .map(|text| parse_insecure(text))
            .collect::<Result<_, _>>()?;
        Ok(Registries {
            mirrors,
            insecure,
            stall_limit: options.stall_limit,
            clients: Mutex::default(),
        })
    }

    /// How many servers may serve the reference.
    pub(crate) fn count(&self, reference: &Reference) -> usize {
        1 + if reference.domain() == DOCKER_IO {
            self.mirrors.len()
        } else {
            0
        }
    }

    /// The server to be asked at the given turn: mirrors first, the registry itself last.
    pub(crate) async fn endpoint(
        &self,
        reference: &Reference,
        turn: usize,
        auth: Option<&Auth>,
    ) -> Result<Endpoint, ImageError> {
        if reference.domain() == DOCKER_IO {
            return match self.mirrors.get(turn) {
                Some(mirror) => self.reach(mirror.clone(), None).await,
                None => {
                    self.reach(
                        Server {
                            scheme: "https",
                            host: DOCKER_HUB.to_owned(),
                        },
                        auth,
                    )
                    .await
                }
            };
        }
        self.reach(
            Server {
                scheme: "",
                host: reference.domain().to_owned(),
            },
            auth,
        )
        .await
    }

    async fn reach(&self, server: Server, auth: Option<&Auth>) -> Result<Endpoint, ImageError> {
        let loopback = is_loopback(&server.host);
        let insecure = loopback || self.is_insecure(&server.host).await;
        // A proxy can't reach our loopback.
        let client = self
            .client(Way {
                verify: !insecure,
                proxy: !loopback,
            })
            .await?;
        let scheme = match server.scheme {
            "" if insecure => find_scheme(&client, &server.host, loopback).await,
            "" => "https",
            scheme => scheme,
        };
        Ok(Endpoint {
            client,
            base: format!("{scheme}://{}", server.host),
            host: server.host,
            stall_limit: self.stall_limit,
            auth: auth.cloned(),
        })
    }

    /// A client that takes no false certificate.
    pub(super) async fn trusting_client(&self, proxy: bool) -> Result<reqwest::Client, ImageError> {
        self.client(Way {
            verify: true,
            proxy,
        })
        .await
    }

    async fn client(&self, way: Way) -> Result<reqwest::Client, ImageError> {
        let known = |clients: &HashMap<Way, reqwest::Client>| clients.get(&way).cloned();
        if let Some(client) = known(&self.clients()) {
            return Ok(client);
        }
        let stall_limit = self.stall_limit;
        let made = tokio::task::spawn_blocking(move || way.client(stall_limit));
        let made = made.await.map_err(|_| ImageError::Interrupted)??;
        // Who was faster has the connections.
        Ok(self.clients().entry(way).or_insert(made).clone())
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Way, reqwest::Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_insecure(&self, registry: &str) -> bool {
        let named = |insecure: &Insecure| match insecure {
            Insecure::Host(host) => host == registry,
            Insecure::Network(..) => false,
        };
        if self.insecure.iter().any(named) {
            return true;
        }
        if !self
            .insecure
            .iter()
            .any(|insecure| matches!(insecure, Insecure::Network(..)))
        {
            return false;
        }
        let Ok(addresses) = tokio::net::lookup_host((host_of(registry), 443)).await else {
            return false;
        };
        let addresses: Vec<IpAddr> = addresses.map(|address| address.ip()).collect();
        self.insecure.iter().any(|insecure| match insecure {
            Insecure::Network(network, bits) => {
                addresses.iter().any(|ip| contains(*network, *bits, *ip))
            }
            Insecure::Host(_) => false,
        })
    }
}

/// Never from TLS to a plain connection: on that, anybody could choose what a tag means.
fn redirects(verify: bool) -> Policy {
    let limited = Policy::limited(MAX_REDIRECTS);
    Policy::custom(move |attempt| {
        if verify && is_downgrade(attempt.previous(), attempt.url()) {
            attempt.error("redirected from https to plain http")
        } else {
            limited.redirect(attempt)
        }
    })
}

fn is_downgrade(previous: &[Url], next: &Url) -> bool {
    previous.last().is_some_and(|url| url.scheme() == "https") && next.scheme() != "https"
}

/// As Docker: HTTPS first, plain HTTP if that fails. On loopback the other way round: nobody listens in between, and a
/// plain server may never answer a TLS greeting. It is asked anew each time, since a server may have learnt TLS.
async fn find_scheme(client: &reqwest::Client, host: &str, loopback: bool) -> &'static str {
    let order = if loopback {
        ["http", "https"]
    } else {
        ["https", "http"]
    };
    for scheme in order {
        // Without credentials, whoever it is.
        match client.get(format!("{scheme}://{host}/v2/")).send().await {
            // "The plain HTTP request was sent to HTTPS port", as most servers say it.
            Ok(answer)
                if scheme == "http" && answer.status() == reqwest::StatusCode::BAD_REQUEST => {}
            Ok(_) => return scheme,
            Err(error) => tracing::debug!(host, scheme, %error, "registry does not speak this"),
        }
    }
    // Neither answers: the request itself will say why.
    order[0]
}

/// Without the port, and without the brackets of an IPv6 address.
fn host_of(registry: &str) -> &str {
    match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => registry.split(':').next().unwrap_or(registry),
    }
}

pub(super) fn is_loopback(registry: &str) -> bool {
    let host = host_of(registry);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn parse_mirror(text: &str) -> Result<Server, ImageError> {
    let invalid = |why: &str| ImageError::InvalidInput(format!("invalid mirror: {text:?}: {why}"));
    let (scheme, rest) = match text.split_once("://") {
        Some(("https", rest)) => ("https", rest),
        Some(("http", rest)) => ("http", rest),
        _ => return Err(invalid("must begin with http:// or https://")),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.contains(char::is_whitespace)
    {
        return Err(invalid("path, query, or fragment at end of the URI"));
    }
    Ok(Server {
        scheme,
        host: host.to_owned(),
    })
}

fn parse_insecure(text: &str) -> Result<Insecure, ImageError> {
    let host = text
        .trim_start_matches("http://")
        .trim_start_matches("https://");
    if let Some((network, bits)) = host.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse())
        && bits <= if network.is_ipv4() { 32 } else { 128 }
    {
        return Ok(Insecure::Network(network, bits));
    }
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.contains(char::is_whitespace)
    {
        return Err(ImageError::InvalidInput(format!(
            "insecure registry {text} is not valid: invalid host {host:?}"
        )));
    }
    Ok(Insecure::Host(host.to_owned()))
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let shift = |width: u8| u32::from(width.saturating_sub(bits));
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits() ^ address.to_bits())
                .checked_shr(shift(32))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (network.to_bits() ^ address.to_bits())
                .checked_shr(shift(128))
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_sight() {
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "10.0.0.1:5000",
            "localhost.example.org",
            "[fe80::1]:5000",
            "registry",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[tokio::test]
    async fn insecure_is_what_was_named() {
        let options = Options {
            insecure_registries: vec!["plain.example".into(), "192.0.2.0/24".into()],
            ..Options::default()
        };
        let registries = Registries::new(&options).expect("settings");
        for (registry, insecure) in [
            ("plain.example", true),
            ("plain.example:5000", false),
            ("192.0.2.7:5000", true),
            ("198.51.100.7:5000", false),
        ] {
            assert_eq!(
                registries.is_insecure(registry).await,
                insecure,
                "{registry}"
            );
        }
    }

    #[test]
    fn tls_is_not_left_by_a_redirect() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let (safe, plain) = (url("https://a/x"), url("http://a:443/x"));
        assert!(is_downgrade(std::slice::from_ref(&safe), &plain));
        assert!(!is_downgrade(&[plain.clone(), safe.clone()], &safe));
        assert!(!is_downgrade(&[safe.clone(), plain.clone()], &plain));
        assert!(!is_downgrade(&[plain], &safe));
    }

    #[test]
    fn networks_hold_their_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        assert!(contains(ip("10.0.0.0"), 8, ip("10.200.3.4")));
        assert!(!contains(ip("10.0.0.0"), 8, ip("11.0.0.1")));
        assert!(contains(ip("0.0.0.0"), 0, ip("11.0.0.1")));
        assert!(contains(ip("fd00::"), 8, ip("fd12::1")));
        assert!(!contains(ip("fd00::"), 8, ip("10.0.0.1")));
    }

    #[test]
    fn settings_are_checked() {
        for bad in [
            "host:5000",
            "ftp://host",
            "https://",
            "https://host/path",
            "https://user@host",
            "https://host?x",
        ] {
            assert!(parse_mirror(bad).is_err(), "{bad}");
        }
        assert!(parse_mirror("http://127.0.0.1:5000/").is_ok());
        for bad in ["", "host/path", "10.0.0.0/33"] {
            assert!(parse_insecure(bad).is_err(), "{bad}");
        }
    }
}
