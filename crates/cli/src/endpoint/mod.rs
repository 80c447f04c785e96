//! Which engine to talk to: `-H`, `--context`, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of
//! `config.json`, else Gantry's own socket — in this order, as docker has it.

pub mod config_file;
pub mod context;
pub mod credentials;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};
use config_file::ConfigFile;

/// The engine that is meant when nobody says otherwise.
#[cfg(not(windows))]
pub const DEFAULT: &str = "unix:///run/gantry/gantry.sock";
/// The engine that is meant when nobody says otherwise.
#[cfg(windows)]
pub const DEFAULT: &str = "npipe:////./pipe/gantry_engine";

/// The name of the context that stands for "no context".
pub const DEFAULT_CONTEXT: &str = "default";
const DEFAULT_TCP_PORT: u16 = 2375;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`, unencrypted.
    Tcp(String),
    /// A Windows named pipe, `\\.\pipe\name`.
    Pipe(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Pipe(name) => write!(f, "npipe://{}", name.replace('\\', "/")),
        }
    }
}

impl std::str::FromStr for Endpoint {
    type Err = CliError;

    fn from_str(text: &str) -> Result<Endpoint> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            "unix" if rest.is_empty() => DEFAULT.parse(),
            "unix" => Ok(Endpoint::Unix(PathBuf::from(rest))),
            "tcp" | "http" => tcp(text, rest),
            "npipe" => Ok(Endpoint::Pipe(rest.replace('/', "\\"))),
            "ssh" => Err(CliError::invalid(format!(
                "{text}: engines over ssh are not reached directly yet. Forward the socket and use that: \
                 `ssh -nNT -L /tmp/engine.sock:/run/gantry/gantry.sock {rest}`, then `-H unix:///tmp/engine.sock`"
            ))),
            "https" => Err(no_tls(text)),
            other => Err(CliError::invalid(format!(
                "{text}: {other}:// is no way to reach an engine. Use unix:///path/to/socket, tcp://host:port or npipe:////./pipe/name"
            ))),
        }
    }
}

fn tcp(text: &str, rest: &str) -> Result<Endpoint> {
    let address = rest.trim_end_matches('/');
    if address.is_empty() || address.contains('/') {
        return Err(CliError::invalid(format!(
            "{text}: not an address of an engine. Write tcp://host:port"
        )));
    }
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    Ok(Endpoint::Tcp(if has_port {
        address.to_owned()
    } else {
        format!("{}:{DEFAULT_TCP_PORT}", address.trim_end_matches(':'))
    }))
}

fn no_tls(endpoint: &str) -> CliError {
    CliError::invalid(format!(
        "{endpoint}: engines behind TLS are not reached directly yet. Forward the socket by ssh and use that: \
         `ssh -nNT -L /tmp/engine.sock:/run/gantry/gantry.sock user@host`, then `-H unix:///tmp/engine.sock`"
    ))
}

/// What the person and the environment say about the engine.
#[derive(Debug, Default)]
pub struct Wishes {
    /// `-H`.
    pub hosts: Vec<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `--tls` or `--tlsverify`.
    pub tls: bool,
    /// `DOCKER_HOST`.
    pub env_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub env_context: Option<String>,
    /// `DOCKER_TLS_VERIFY` is set and not empty.
    pub env_tls: bool,
}

impl Wishes {
    /// The name of the context in use: `default` where an address decides.
    pub fn context_name(&self, config: &ConfigFile) -> Result<String> {
        if let Some(context) = &self.context {
            if !self.hosts.is_empty() {
                return Err(CliError::invalid(
                    "conflicting options: cannot specify both --host and --context",
                ));
            }
            return Ok(context.clone());
        }
        if !self.hosts.is_empty() || self.env_host.is_some() {
            return Ok(DEFAULT_CONTEXT.to_owned());
        }
        Ok(self
            .env_context
            .clone()
            .or_else(|| config.current_context())
            .unwrap_or_else(|| DEFAULT_CONTEXT.to_owned()))
    }

    /// The address that the context `default` stands for.
    pub fn default_host(&self) -> Result<&str> {
        match self.hosts.as_slice() {
            [] => Ok(self.env_host.as_deref().unwrap_or(DEFAULT)),
            [host] => Ok(host),
            _ => Err(CliError::invalid("Specify only one -H")),
        }
    }

    /// The engine to talk to.
    pub fn endpoint(&self, config: &ConfigFile) -> Result<Endpoint> {
        let name = self.context_name(config)?;
        if name == DEFAULT_CONTEXT {
            let host = self.default_host()?;
            let endpoint: Endpoint = host.parse()?;
            if (self.tls || self.env_tls) && matches!(endpoint, Endpoint::Tcp(_)) {
                return Err(no_tls(host));
            }
            return Ok(endpoint);
        }
        let context = context::find(config.dir(), &name)?;
        if context.has_tls && context.host.starts_with("tcp://") {
            return Err(no_tls(&context.host));
        }
        context.host.parse()
    }
}

/// The folder of `config.json`: what `--config` or `DOCKER_CONFIG` say, else `~/.docker`. None without a home.
pub fn config_dir(flag: Option<PathBuf>) -> Option<PathBuf> {
    flag.or_else(|| {
        std::env::var_os("DOCKER_CONFIG")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    })
    .or_else(|| home().map(|home| home.join(".docker")))
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute() && home != Path::new("/nonexistent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> String {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        assert_eq!(parse("unix:///a/b.sock"), "unix:///a/b.sock");
        assert_eq!(parse("tcp://10.0.0.1"), "tcp://10.0.0.1:2375");
        assert_eq!(parse("tcp://[::1]:99"), "tcp://[::1]:99");
        assert_eq!(parse("tcp://[::1]"), "tcp://[::1]:2375");
        assert_eq!(parse("localhost:2375"), "tcp://localhost:2375");
        assert_eq!(parse("npipe:////./pipe/x"), "npipe:////./pipe/x");
    }

    #[test]
    fn what_cannot_be_reached_says_what_to_do() {
        assert!(parse("ssh://me@far").contains("ssh -nNT -L"));
        assert!(parse("https://far").contains("Forward the socket"));
        assert!(parse("ftp://x").contains("Use unix://"));
        assert!(parse("tcp://").contains("Write tcp://host:port"));
    }

    #[test]
    fn the_first_word_wins() {
        let config = ConfigFile::parse(None, br#"{"currentContext":"far"}"#).unwrap();
        let mut wishes = Wishes::default();
        assert_eq!(wishes.context_name(&config).unwrap(), "far");
        wishes.env_context = Some("near".into());
        assert_eq!(wishes.context_name(&config).unwrap(), "near");
        wishes.env_host = Some("unix:///env.sock".into());
        assert_eq!(
            wishes.endpoint(&config).unwrap().to_string(),
            "unix:///env.sock"
        );
        wishes.hosts = vec!["unix:///flag.sock".into()];
        assert_eq!(
            wishes.endpoint(&config).unwrap().to_string(),
            "unix:///flag.sock"
        );
        wishes.context = Some("near".into());
        assert!(wishes.endpoint(&config).is_err());
    }

    #[test]
    fn tls_is_refused_rather_than_left_out() {
        let wishes = Wishes {
            hosts: vec!["tcp://far:2376".into()],
            env_tls: true,
            ..Wishes::default()
        };
        let error = wishes.endpoint(&ConfigFile::default()).unwrap_err();
        assert!(error.to_string().contains("TLS"));
    }
}
