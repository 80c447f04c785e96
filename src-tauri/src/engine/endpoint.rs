//! Where the engine is: the same choice that the command line makes.
//!
//! `GANTRY_SOCKET` (a path), else `DOCKER_HOST`, else the docker context named by `DOCKER_CONTEXT` or by
//! `currentContext` in `config.json`, else Gantry's own: on Linux what the person chose, elsewhere the machine.

use std::path::{Path, PathBuf};

use bollard::{API_DEFAULT_VERSION, Docker};
use gantry_machine::MachineName;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::local;
use crate::machine::Machines;
use crate::settings::Home;

/// Where Gantry's engine listens on this system itself unless told otherwise.
pub const NATIVE_SOCKET: &str = "/run/gantry/gantry.sock";

/// Seconds until a request without an answer fails; streams are not bounded by it.
pub const TIMEOUT: u64 = 120;

/// An address, and whose the engine there is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How to reach it.
    pub address: Address,
    /// Who starts an engine where none answers.
    pub keeper: Keeper,
    /// What decided on this address; `None` where the person's choice in the window did.
    pub decided_by: Option<&'static str>,
}

/// Who starts an engine where none answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// The app, as a program of this system.
    Native,
    /// The app, by starting the machine of this name.
    Machine(MachineName),
    /// Someone else.
    Elsewhere,
}

/// How to reach an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The system's own: a unix socket, or a named pipe of Windows.
    Local(PathBuf),
    /// Plain HTTP over TCP: `host:port`.
    Tcp(String),
}

/// An address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A scheme other than `tcp` and the system's own.
    #[error(
        "{from}: cannot use \"{url}\": only {}:// and tcp:// are supported",
        local::SCHEME
    )]
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
    /// There is no place for machines.
    #[error(transparent)]
    Machine(#[from] gantry_machine::paths::PathError),
}

impl Endpoint {
    /// Reads the environment; where it says nothing, the person's choice counts.
    pub fn find(machines: &Machines, chosen: Home) -> Result<Self, EndpointError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(path) = variable("GANTRY_SOCKET") {
            return Ok(Self {
                address: Address::Local(path.into()),
                keeper: if cfg!(target_os = "linux") {
                    Keeper::Native
                } else {
                    Keeper::Elsewhere
                },
                decided_by: Some("GANTRY_SOCKET"),
            });
        }
        if let Some(url) = variable("DOCKER_HOST") {
            let address = parse("DOCKER_HOST", &url)?;
            return Ok(Self::named(address, machines, "DOCKER_HOST"));
        }
        let folder = docker_config_folder();
        let context = variable("DOCKER_CONTEXT").or_else(|| current_context(folder.as_deref()?));
        if let (Some(name), Some(folder)) = (context, folder)
            && name != "default"
        {
            let address = context_address(&folder, &name)?;
            return Ok(Self::named(address, machines, CONTEXT));
        }
        Self::chosen(machines, chosen)
    }

    /// What the person chose in the window.
    fn chosen(machines: &Machines, home: Home) -> Result<Self, EndpointError> {
        let (address, keeper) = match home {
            Home::Native => (NATIVE_SOCKET.into(), Keeper::Native),
            Home::Machine => {
                let name = MachineName::default();
                let paths = machines.paths(&name)?;
                (paths.api_socket(), Keeper::Machine(name))
            }
        };
        Ok(Self {
            address: Address::Local(address),
            keeper,
            decided_by: None,
        })
    }

    /// Gantry's own addresses are ours, however they are named: the README has people put them in `DOCKER_HOST`.
    fn named(address: Address, machines: &Machines, decided_by: &'static str) -> Self {
        let keeper = match &address {
            Address::Local(path)
                if cfg!(target_os = "linux") && path == Path::new(NATIVE_SOCKET) =>
            {
                Keeper::Native
            }
            Address::Local(path) => machines
                .listening_at(path)
                .map_or(Keeper::Elsewhere, Keeper::Machine),
            Address::Tcp(_) => Keeper::Elsewhere,
        };
        Self {
            address,
            keeper,
            decided_by: Some(decided_by),
        }
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        match &self.address {
            Address::Local(path) => format!("{}://{}", local::SCHEME, local::shown(path)),
            Address::Tcp(host) => format!("tcp://{host}"),
        }
    }

    /// A client for this address; nothing is sent yet.
    pub fn client(&self) -> Result<Docker, bollard::errors::Error> {
        match &self.address {
            Address::Local(path) => local::client(path),
            Address::Tcp(host) => {
                Docker::connect_with_http(&format!("tcp://{host}"), TIMEOUT, API_DEFAULT_VERSION)
            }
        }
    }
}

/// What a context is called where it is told of.
const CONTEXT: &str = "docker context";

fn parse(from: &'static str, url: &str) -> Result<Address, EndpointError> {
    let unusable = || EndpointError::Scheme {
        from,
        url: url.to_owned(),
    };
    match url.split_once("://") {
        Some((local::SCHEME, path)) if !path.is_empty() => Ok(Address::Local(local::path(path))),
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
    parse(CONTEXT, &docker.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_unix_and_tcp_and_names_what_it_cannot_use() {
        assert_eq!(
            parse("DOCKER_HOST", "unix:///a/b.sock"),
            Ok(Address::Local("/a/b.sock".into()))
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
    fn only_gantrys_own_addresses_are_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let machines = Machines::new(gantry_machine::Home::new(
            folder.path(),
            folder.path().join("run"),
        ));
        let name: MachineName = "two".parse().expect("a name");
        let spec = gantry_machine::Spec::defaults(name.clone(), 1, 1 << 30);
        let store = machines.store().expect("a store");
        let machine = store.create(&spec).expect("a machine");
        let keeper = |url: &str| {
            let address = parse("DOCKER_HOST", url).expect("an address");
            Endpoint::named(address, &machines, "DOCKER_HOST").keeper
        };
        assert_eq!(keeper("unix:///run/gantry/gantry.sock"), Keeper::Native);
        assert_eq!(keeper("unix:///var/run/docker.sock"), Keeper::Elsewhere);
        assert_eq!(keeper("tcp://127.0.0.1:2375"), Keeper::Elsewhere);
        assert_eq!(
            keeper(&machine.paths.docker_host()),
            Keeper::Machine(name.clone())
        );
        let chosen = Endpoint::chosen(&machines, Home::Machine).expect("an address");
        assert_eq!(chosen.keeper, Keeper::Machine(MachineName::default()));
        assert!(
            chosen.url().ends_with("/run/default/api.sock"),
            "{chosen:?}"
        );
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
            Ok(Address::Local("/g.sock".into()))
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
