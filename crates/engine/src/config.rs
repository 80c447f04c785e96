//! What gantryd is told at start: flags as dockerd's, and a `daemon.json`-shaped file.
//!
//! A flag and the same key in the file is an error, as it is for dockerd: two places that disagree is how engines get
//! misconfigured silently. Unknown keys of the file are refused by name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Parser;
use serde::Deserialize;

/// Where the engine listens when nothing is said.
pub const DEFAULT_HOST: &str = "unix:///run/gantry/gantry.sock";

/// gantryd's command line.
#[derive(Debug, Clone, Default, Parser)]
#[command(
    name = "gantryd",
    version,
    about = "A container engine that speaks the Docker Engine API"
)]
pub struct Flags {
    /// Socket to listen on, such as unix:///run/gantry/gantry.sock (repeatable)
    #[arg(short = 'H', long = "host", value_name = "URL")]
    pub hosts: Vec<String>,
    /// Folder of images, containers and volumes
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// Folder of runtime state, on a tmpfs
    #[arg(long, value_name = "DIR")]
    pub exec_root: Option<PathBuf>,
    /// Address and subnet of the default bridge, such as 172.17.0.1/16
    #[arg(long, value_name = "CIDR")]
    pub bip: Option<String>,
    /// Name of the default bridge's interface
    #[arg(long, value_name = "NAME")]
    pub bridge: Option<String>,
    /// Forward between the machine's other networks too, where IPv4 forwarding has to be switched on for containers
    #[arg(long)]
    pub ip_forward_no_drop: bool,
    /// Registry asked before Docker Hub (repeatable)
    #[arg(long = "registry-mirror", value_name = "URL")]
    pub registry_mirrors: Vec<String>,
    /// Registry, or subnet of registries, spoken to over plain HTTP (repeatable)
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]|CIDR")]
    pub insecure_registries: Vec<String>,
    /// Another OCI runtime by name (repeatable)
    #[arg(long = "add-runtime", value_name = "NAME=PATH")]
    pub add_runtimes: Vec<String>,
    /// Runtime of containers that name none
    #[arg(long, value_name = "NAME")]
    pub default_runtime: Option<String>,
    /// Control group that those of containers are made in, unless they name another
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
    /// What `host-gateway` stands for in --add-host; the bridge's address where it isn't given
    #[arg(long, value_name = "IP")]
    pub host_gateway_ip: Option<String>,
    /// In a machine: socket by which ports of its host are claimed
    #[arg(long, value_name = "PATH")]
    pub host_agent: Option<PathBuf>,
    /// In a machine: folder of its host that is here as well, under the same path (repeatable)
    #[arg(long = "shared-folder", value_name = "DIR")]
    pub shared_folders: Vec<PathBuf>,
    /// Configuration file, shaped as dockerd's daemon.json
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Group that may use the socket
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Which messages are logged: trace, debug, info, warn or error
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Log debug messages
    #[arg(short = 'D', long)]
    pub debug: bool,
    /// File that gets the engine's process id
    #[arg(short = 'p', long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
}

/// The keys of `daemon.json` that this engine understands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct File {
    hosts: Vec<String>,
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    bip: Option<String>,
    bridge: Option<String>,
    ip_forward_no_drop: Option<bool>,
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
    runtimes: BTreeMap<String, FileRuntime>,
    default_runtime: Option<String>,
    cgroup_parent: Option<String>,
    host_gateway_ip: Option<String>,
    host_agent: Option<PathBuf>,
    shared_folders: Vec<PathBuf>,
    group: Option<String>,
    log_level: Option<String>,
    debug: Option<bool>,
    pidfile: Option<PathBuf>,
}

/// One entry of `runtimes` in `daemon.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRuntime {
    path: PathBuf,
}

/// Why the engine can't be configured as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration file can't be read.
    #[error("can't read configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file isn't what it should be.
    #[error("can't understand configuration file {path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value is given both on the command line and in the file.
    #[error("`{key}` is set both as a flag and in the configuration file {path}: keep one")]
    Twice {
        /// The file's key.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A value outside its grammar.
    #[error("{what} can't be `{value}`: {why}")]
    Value {
        /// Which flag.
        what: &'static str,
        /// What was given.
        value: String,
        /// What is expected.
        why: String,
    },
}

/// What the engine works with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sockets to listen on.
    pub sockets: Vec<PathBuf>,
    /// Images, containers, volumes, the database.
    pub data_root: PathBuf,
    /// Runtime state: gone after a reboot.
    pub exec_root: PathBuf,
    /// Address and subnet of the bridge; the network crate chooses one when `None`.
    pub bip: Option<String>,
    /// The bridge's interface.
    pub bridge: String,
    /// Whether switching IPv4 forwarding on is for everybody, not only for containers.
    pub ip_forward_no_drop: bool,
    /// Registries asked before Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// Registries without TLS.
    pub insecure_registries: Vec<String>,
    /// OCI runtimes by name, beside the built-in one.
    pub runtimes: BTreeMap<String, PathBuf>,
    /// Runtime of containers that name none.
    pub default_runtime: String,
    /// Parent of containers' control groups; `/gantry` when `None`.
    pub cgroup_parent: Option<String>,
    /// What `host-gateway` stands for; the bridge's address when `None`.
    pub host_gateway_ip: Option<IpAddr>,
    /// Where the engine runs in a machine: the socket by which ports of the machine's host are claimed.
    pub host_agent: Option<PathBuf>,
    /// The host's folders that a machine has as well.
    pub shared_folders: Vec<PathBuf>,
    /// Group of the socket; `docker` is tried when `None`.
    pub group: Option<String>,
    /// Directive for the log.
    pub log_level: String,
    /// Gets the process id.
    pub pidfile: Option<PathBuf>,
}

/// The runtime that is linked into the shim.
pub const BUILTIN_RUNTIME: &str = "gantry";

impl Config {
    /// Reads the configuration file, if any, and merges it with the flags.
    pub fn load(flags: Flags) -> Result<Config, ConfigError> {
        let Some(path) = flags.config_file.clone() else {
            return Config::merge(flags, File::default(), Path::new(""));
        };
        let text = std::fs::read(&path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        let file: File = serde_json::from_slice(&text).map_err(|source| ConfigError::Parse {
            path: path.clone(),
            source,
        })?;
        Config::merge(flags, file, &path)
    }

    fn merge(flags: Flags, file: File, path: &Path) -> Result<Config, ConfigError> {
        let one = |key, flag: Option<String>, file: Option<String>| one(key, flag, file, path);
        let bridge =
            one("bridge", flags.bridge, file.bridge)?.unwrap_or_else(|| "gantry0".to_owned());
        if bridge.is_empty()
            || bridge.len() > 15
            || !bridge
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            return Err(ConfigError::Value {
                what: "--bridge",
                value: bridge,
                why: "an interface's name has 1 to 15 letters, digits, `-`, `_` or `.`".to_owned(),
            });
        }
        let mut runtimes: BTreeMap<String, PathBuf> = file
            .runtimes
            .into_iter()
            .map(|(name, runtime)| (name, runtime.path))
            .collect();
        for given in flags.add_runtimes {
            let (name, runtime) = given
                .split_once('=')
                .filter(|(name, path)| !name.is_empty() && !path.is_empty())
                .ok_or_else(|| ConfigError::Value {
                    what: "--add-runtime",
                    value: given.clone(),
                    why: "expected NAME=PATH".to_owned(),
                })?;
            runtimes.insert(name.to_owned(), PathBuf::from(runtime));
        }
        if runtimes.contains_key(BUILTIN_RUNTIME) {
            return Err(ConfigError::Value {
                what: "--add-runtime",
                value: BUILTIN_RUNTIME.to_owned(),
                why: "that name is the built-in runtime's".to_owned(),
            });
        }
        let default_runtime = one(
            "default-runtime",
            flags.default_runtime,
            file.default_runtime,
        )?
        .unwrap_or_else(|| BUILTIN_RUNTIME.to_owned());
        if default_runtime != BUILTIN_RUNTIME && !runtimes.contains_key(&default_runtime) {
            return Err(ConfigError::Value {
                what: "--default-runtime",
                value: default_runtime,
                why: "no runtime of that name is configured: add it with --add-runtime NAME=PATH"
                    .to_owned(),
            });
        }
        let cgroup_parent = one("cgroup-parent", flags.cgroup_parent, file.cgroup_parent)?;
        if let Some(path) = &cgroup_parent
            && path.split('/').any(|part| part == "..")
        {
            return Err(ConfigError::Value {
                what: "--cgroup-parent",
                value: path.clone(),
                why: "it must not climb out of the hierarchy".to_owned(),
            });
        }
        let gateway = one(
            "host-gateway-ip",
            flags.host_gateway_ip,
            file.host_gateway_ip,
        )?;
        let host_gateway_ip = gateway.map(|text| address("--host-gateway-ip", text));
        let host_agent = one_path("host-agent", flags.host_agent, file.host_agent, path)?;
        let shared_folders = many(
            "shared-folders",
            flags.shared_folders,
            file.shared_folders,
            path,
        )?;
        check_folders(&shared_folders, host_agent.is_some())?;
        let level = one("log-level", flags.log_level, file.log_level)?;
        let debug = flags.debug || file.debug.unwrap_or(false);
        let log_level = if debug {
            "debug".to_owned()
        } else {
            level.unwrap_or_else(|| "info".to_owned())
        };
        if tracing::level_filters::LevelFilter::from_str(&log_level).is_err() {
            return Err(ConfigError::Value {
                what: "--log-level",
                value: log_level,
                why: "expected trace, debug, info, warn or error".to_owned(),
            });
        }
        let mut hosts = many("hosts", flags.hosts, file.hosts, path)?;
        if hosts.is_empty() {
            hosts.push(DEFAULT_HOST.to_owned());
        }
        Ok(Config {
            sockets: hosts
                .iter()
                .map(|host| socket(host))
                .collect::<Result<_, _>>()?,
            data_root: absolute(
                one_path("data-root", flags.data_root, file.data_root, path)?,
                "/var/lib/gantry",
            ),
            exec_root: absolute(
                one_path("exec-root", flags.exec_root, file.exec_root, path)?,
                "/run/gantry",
            ),
            bip: one("bip", flags.bip, file.bip)?,
            bridge,
            ip_forward_no_drop: flags.ip_forward_no_drop
                || file.ip_forward_no_drop.unwrap_or(false),
            registry_mirrors: many(
                "registry-mirrors",
                flags.registry_mirrors,
                file.registry_mirrors,
                path,
            )?,
            insecure_registries: many(
                "insecure-registries",
                flags.insecure_registries,
                file.insecure_registries,
                path,
            )?,
            runtimes,
            default_runtime,
            cgroup_parent,
            host_gateway_ip: host_gateway_ip.transpose()?,
            host_agent: host_agent.map(|path| absolute(Some(path), "")),
            shared_folders,
            group: one("group", flags.group, file.group)?,
            log_level,
            pidfile: one_path("pidfile", flags.pidfile, file.pidfile, path)?,
        })
    }

    /// Where a container's lasting files are.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.data_root.join("containers").join(id)
    }

    /// Where a container's files of this boot are.
    pub fn exec_dir(&self, id: &str) -> PathBuf {
        self.exec_root.join("containers").join(id)
    }
}

fn absolute(given: Option<PathBuf>, default: &str) -> PathBuf {
    let path = given.unwrap_or_else(|| PathBuf::from(default));
    std::path::absolute(&path).unwrap_or(path)
}

fn one(
    key: &'static str,
    flag: Option<String>,
    file: Option<String>,
    path: &Path,
) -> Result<Option<String>, ConfigError> {
    match (flag, file) {
        (Some(_), Some(_)) => Err(ConfigError::Twice {
            key,
            path: path.to_owned(),
        }),
        (flag, file) => Ok(flag.or(file)),
    }
}

fn one_path(
    key: &'static str,
    flag: Option<PathBuf>,
    file: Option<PathBuf>,
    path: &Path,
) -> Result<Option<PathBuf>, ConfigError> {
    match (flag, file) {
        (Some(_), Some(_)) => Err(ConfigError::Twice {
            key,
            path: path.to_owned(),
        }),
        (flag, file) => Ok(flag.or(file)),
    }
}

/// A path that is no absolute one could be below none of them, and would be found out late.
fn check_folders(folders: &[PathBuf], in_machine: bool) -> Result<(), ConfigError> {
    let refused = |folder: &Path, why: &str| ConfigError::Value {
        what: "--shared-folder",
        value: folder.display().to_string(),
        why: why.to_owned(),
    };
    match folders.iter().find(|folder| !folder.is_absolute()) {
        Some(folder) => Err(refused(folder, "expected an absolute path")),
        None => match folders.first().filter(|_| !in_machine) {
            Some(folder) => Err(refused(
                folder,
                "only an engine in a machine (--host-agent) has a host that shares folders",
            )),
            None => Ok(()),
        },
    }
}

fn address(what: &'static str, text: String) -> Result<IpAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value {
        what,
        value: text,
        why: "expected an IP address".to_owned(),
    })
}

fn many<T>(
    key: &'static str,
    flags: Vec<T>,
    file: Vec<T>,
    path: &Path,
) -> Result<Vec<T>, ConfigError> {
    match (flags.is_empty(), file.is_empty()) {
        (false, false) => Err(ConfigError::Twice {
            key,
            path: path.to_owned(),
        }),
        (false, true) => Ok(flags),
        _ => Ok(file),
    }
}

fn socket(host: &str) -> Result<PathBuf, ConfigError> {
    let refused = |why: &str| ConfigError::Value {
        what: "--host",
        value: host.to_owned(),
        why: why.to_owned(),
    };
    let path = host.strip_prefix("unix://").ok_or_else(|| {
        refused("only unix:// sockets are served; reach the engine from elsewhere by ssh")
    })?;
    // sockaddr_un holds 108 bytes with the closing zero.
    if path.is_empty() || !path.starts_with('/') || path.len() > 107 {
        return Err(refused(
            "expected unix:// and an absolute path of at most 107 bytes",
        ));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> Flags {
        Flags::parse_from(std::iter::once("gantryd").chain(args.iter().copied()))
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = Config::load(flags(&[])).unwrap();
        assert_eq!(config.sockets, [PathBuf::from("/run/gantry/gantry.sock")]);
        assert_eq!(config.data_root, PathBuf::from("/var/lib/gantry"));
        assert_eq!(config.default_runtime, "gantry");
    }

    #[test]
    fn a_file_and_a_flag_must_not_both_speak() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        std::fs::write(
            &path,
            r#"{"bip":"10.0.0.1/24","runtimes":{"runc":{"path":"/usr/sbin/runc"}}}"#,
        )
        .unwrap();
        let file = path.to_str().unwrap();
        let config = Config::load(flags(&["--config-file", file])).unwrap();
        assert_eq!(config.bip.as_deref(), Some("10.0.0.1/24"));
        assert_eq!(config.runtimes["runc"], PathBuf::from("/usr/sbin/runc"));
        let error =
            Config::load(flags(&["--config-file", file, "--bip", "10.1.0.1/24"])).unwrap_err();
        assert!(matches!(error, ConfigError::Twice { key: "bip", .. }));
    }

    #[test]
    fn a_machine_is_told_of_its_host() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        std::fs::write(
            &path,
            r#"{"host-agent":"/run/host.sock","shared-folders":["/home"],"host-gateway-ip":"10.0.2.2"}"#,
        )
        .unwrap();
        let file = path.to_str().unwrap();
        let from_file = Config::load(flags(&["--config-file", file])).unwrap();
        let arguments =
            "--host-agent /run/host.sock --shared-folder /home --host-gateway-ip 10.0.2.2";
        let arguments: Vec<_> = arguments.split(' ').collect();
        for config in [from_file, Config::load(flags(&arguments)).unwrap()] {
            assert_eq!(config.host_agent, Some("/run/host.sock".into()));
            assert_eq!(config.shared_folders, [PathBuf::from("/home")]);
            assert_eq!(config.host_gateway_ip, Some("10.0.2.2".parse().unwrap()));
        }
        let relative = [&arguments[..2], &["--shared-folder", "home"]].concat();
        assert!(Config::load(flags(&relative)).is_err());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        std::fs::write(&path, r#"{"experimental-thing":true}"#).unwrap();
        let error = Config::load(flags(&["--config-file", path.to_str().unwrap()])).unwrap_err();
        assert!(error.to_string().contains("experimental-thing"), "{error}");
    }

    #[test]
    fn values_outside_their_grammar_are_refused() {
        for args in [
            ["-H", "tcp://0.0.0.0:2375"],
            ["-H", "unix://relative"],
            ["--bridge", "a-name-that-is-too-long"],
            ["--add-runtime", "runc"],
            ["--default-runtime", "crun"],
            ["--log-level", "loud"],
            ["--cgroup-parent", "/a/../b"],
            ["--host-gateway-ip", "localhost"],
            ["--shared-folder", "/home"],
        ] {
            assert!(
                matches!(Config::load(flags(&args)), Err(ConfigError::Value { .. })),
                "{args:?}"
            );
        }
    }
}
