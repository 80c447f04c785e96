//! Where the engine is: the same choice that the command line makes.
//!
//! `GANTRY_SOCKET` (a path), else `DOCKER_HOST`, else the docker context named by `DOCKER_CONTEXT` or by
//! `currentContext` in `config.json`, else Gantry's own socket.

use std::path::{Path, PathBuf};

use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Where Gantry's engine listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

/// Seconds until a request without an answer fails; streams are not bounded by it.
pub const TIMEOUT: u64 = 120;

/// An address, and whether an engine there is ours to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How to reach it.
    pub address: Address,
    /// Whether the app starts an engine where none answers: not at an address that someone else manages.
    pub supervised: bool,
}

/// How to reach an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP over TCP: `host:port`.
    Tcp(String),
}

/// An address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A scheme other than `unix` and `tcp`.
    #[error("{from}: cannot use \"{url}\": only unix:// and tcp:// are supported")]
    Scheme {
        /// What named it.
        from: &'static str,
        /// The address.
        url: String,
    },
    /// A context that isn't stored.
    #[error("docker context \"{name}\" cannot be read from {path}: {problem}")]
    Context {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Endpoint {
    /// Reads the environment.
    pub fn from_environment() -> Result<Self, EndpointError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(path) = variable("GANTRY_SOCKET") {
            return Ok(Self {
                address: Address::Unix(path.into()),
                supervised: true,
            });
        }
        if let Some(url) = variable("DOCKER_HOST") {
            return Ok(Self::named(parse("DOCKER_HOST", &url)?));
        }
        let folder = docker_config_folder();
        let context = variable("DOCKER_CONTEXT").or_else(|| current_context(folder.as_deref()?));
        match (context, folder) {
            (Some(name), Some(folder)) if name != "default" => {
                Ok(Self::named(context_address(&folder, &name)?))
            }
            _ => Ok(Self::named(Address::Unix(DEFAULT_SOCKET.into()))),
        }
    }

    /// Gantry's own socket is ours, however it is named: the README has people put it in `DOCKER_HOST`.
    fn named(address: Address) -> Self {
        let supervised = address == Address::Unix(DEFAULT_SOCKET.into());
        Self {
            address,
            supervised,
        }
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        match &self.address {
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Tcp(host) => format!("tcp://{host}"),
        }
    }

    /// A client for this address; nothing is sent yet.
    pub fn client(&self) -> Result<Docker, bollard::errors::Error> {
        match &self.address {
            Address::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), TIMEOUT, API_DEFAULT_VERSION)
            }
            Address::Tcp(host) => {
                Docker::connect_with_http(&format!("tcp://{host}"), TIMEOUT, API_DEFAULT_VERSION)
            }
        }
    }
}

fn parse(from: &'static str, url: &str) -> Result<Address, EndpointError> {
    let unusable = || EndpointError::Scheme {
        from,
        url: url.to_owned(),
    };
    match url.split_once("://") {
        Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(path.into())),
        Some(("tcp" | "http", host)) if !host.is_empty() => {
            Ok(Address::Tcp(host.trim_end_matches('/').to_owned()))
        }
        _ => Err(unusable()),
    }
}

/// `DOCKER_CONFIG`, else `~/.docker`.
pub fn docker_config_folder() -> Option<PathBuf> {
    match std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(folder.into()),
        None => std::env::home_dir()
            .filter(|home| home.is_absolute())
            .map(|home| home.join(".docker")),
    }
}

fn current_context(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current_context: Option<String>,
    }
    let bytes = std::fs::read(folder.join("config.json")).ok()?;
    serde_json::from_slice::<Config>(&bytes)
        .ok()?
        .current_context
        .filter(|name| !name.is_empty())
}

fn context_address(folder: &Path, name: &str) -> Result<Address, EndpointError> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "Endpoints")]
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Option<DockerEndpoint>,
    }
    #[derive(Deserialize)]
    struct DockerEndpoint {
        #[serde(rename = "Host")]
        host: String,
    }
    let digest: String = Sha256::digest(name.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = folder.join("contexts/meta").join(digest).join("meta.json");
    let unreadable = |problem: String| EndpointError::Context {
        name: name.to_owned(),
        path: path.clone(),
        problem,
    };
    let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    let meta: Meta =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let docker = meta
        .endpoints
        .docker
        .ok_or_else(|| unreadable("it has no docker endpoint".into()))?;
    parse("docker context", &docker.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_unix_and_tcp_and_names_what_it_cannot_use() {
        assert_eq!(
            parse("DOCKER_HOST", "unix:///a/b.sock"),
            Ok(Address::Unix("/a/b.sock".into()))
        );
        assert_eq!(
            parse("DOCKER_HOST", "tcp://10.0.0.1:2375/"),
            Ok(Address::Tcp("10.0.0.1:2375".into()))
        );
        for url in [
            "",
            "unix://",
            "/a/b.sock",
            "ssh://me@there",
            "npipe:////./pipe/docker",
        ] {
            let error = parse("DOCKER_HOST", url).expect_err(url);
            assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
        }
    }

    #[test]
    fn only_gantrys_own_socket_is_supervised() {
        let supervised = |url| {
            let address = parse("DOCKER_HOST", url).expect("an address");
            Endpoint::named(address).supervised
        };
        assert!(supervised("unix:///run/gantry/gantry.sock"));
        assert!(!supervised("unix:///var/run/docker.sock"));
        assert!(!supervised("tcp://127.0.0.1:2375"));
    }

    #[test]
    fn a_context_is_found_by_the_digest_of_its_name() {
        let folder = tempfile::tempdir().expect("folder");
        // sha256("gantry")
        let digest: String = Sha256::digest(b"gantry")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let meta = folder.path().join("contexts/meta").join(digest);
        std::fs::create_dir_all(&meta).expect("folders");
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"gantry","Endpoints":{"docker":{"Host":"unix:///g.sock","SkipTLSVerify":false}}}"#,
        )
        .expect("file");
        assert_eq!(
            context_address(folder.path(), "gantry"),
            Ok(Address::Unix("/g.sock".into()))
        );
        assert!(matches!(
            context_address(folder.path(), "other"),
            Err(EndpointError::Context { .. })
        ));

        std::fs::write(
            folder.path().join("config.json"),
            r#"{"auths":{},"currentContext":"gantry"}"#,
        )
        .expect("file");
        assert_eq!(current_context(folder.path()).as_deref(), Some("gantry"));
    }
}
