//! What the agent is told on its command line.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The way to the host.
    pub channel: Channel,
    /// The engine's API.
    pub api: PathBuf,
    /// Where programs of the guest claim ports of the host.
    pub claims: PathBuf,
    /// Where names are asked for; nowhere if none.
    pub dns: Option<SocketAddr>,
    /// Where the data disk is mounted.
    pub data: PathBuf,
    /// Who is told to end the machine.
    pub init: i32,
}

/// The byte stream to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A virtio-serial port.
    Serial(PathBuf),
    /// A port of vsock, listened on. Under Hyper-V its transport is hvsock, with the same calls.
    Vsock(u32),
    /// A unix socket, listened on.
    Unix(PathBuf),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => write!(f, "serial:{}", path.display()),
            Self::Vsock(port) => write!(f, "vsock:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A command line that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An option there isn't.
    #[error("there is no option {0}")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} needs a value")]
    Missing(String),
    /// A value that is none.
    #[error("{value} is no value for {option}")]
    Value {
        /// The option.
        option: String,
        /// What was given.
        value: String,
    },
    /// Nothing says where the host is.
    #[error("no channel given: serial:DEVICE, vsock:PORT, hvsock:PORT or unix:SOCKET")]
    NoChannel,
}

impl Settings {
    /// Reads `[--channel] CHANNEL [--api SOCKET] [--claims SOCKET] [--dns ADDRESS|none] [--data FOLDER] [--init PID]`.
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, SettingsError> {
        let mut channel = None;
        let mut settings = Self {
            channel: Channel::Unix(PathBuf::new()),
            api: "/run/gantry/gantry.sock".into(),
            claims: "/run/gantry/host.sock".into(),
            dns: Some(([127, 0, 0, 53], 53).into()),
            data: "/mnt/data".into(),
            init: 1,
        };
        let mut arguments = arguments.map(|word| word.to_string_lossy().into_owned());
        while let Some(option) = arguments.next() {
            if !option.starts_with("--") {
                channel = Some(parse_channel("CHANNEL", option)?);
                continue;
            }
            let Some(value) = arguments.next() else {
                return Err(SettingsError::Missing(option));
            };
            match option.as_str() {
                "--channel" => channel = Some(parse_channel(&option, value)?),
                "--api" => settings.api = value.into(),
                "--claims" => settings.claims = value.into(),
                "--dns" if value == "none" => settings.dns = None,
                "--dns" => settings.dns = Some(parse(&option, value)?),
                "--data" => settings.data = value.into(),
                "--init" => settings.init = parse(&option, value)?,
                _ => return Err(SettingsError::Unknown(option)),
            }
        }
        settings.channel = channel.ok_or(SettingsError::NoChannel)?;
        Ok(settings)
    }
}

fn parse<T: std::str::FromStr>(option: &str, value: String) -> Result<T, SettingsError> {
    value.parse().map_err(|_| SettingsError::Value {
        option: option.to_owned(),
        value,
    })
}

fn parse_channel(option: &str, value: String) -> Result<Channel, SettingsError> {
    match value.split_once(':') {
        Some(("serial", path)) => Ok(Channel::Serial(path.into())),
        Some(("unix", path)) => Ok(Channel::Unix(path.into())),
        Some(("vsock" | "hvsock", port)) => parse(option, port.to_owned()).map(Channel::Vsock),
        _ => Err(SettingsError::Value {
            option: option.to_owned(),
            value,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Settings, SettingsError> {
        Settings::parse(line.split_ascii_whitespace().map(OsString::from))
    }

    #[test]
    fn init_says_only_the_channel() {
        for (line, channel) in [
            (
                "serial:/dev/vport2p1",
                Channel::Serial("/dev/vport2p1".into()),
            ),
            ("vsock:1024", Channel::Vsock(1024)),
            ("hvsock:1024", Channel::Vsock(1024)),
            ("--channel unix:/a:b", Channel::Unix("/a:b".into())),
        ] {
            let settings = parsed(line).unwrap();
            assert_eq!(settings.channel, channel, "{line}");
            assert_eq!(settings.dns, Some("127.0.0.53:53".parse().unwrap()));
            assert_eq!(settings.init, 1);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, error) in [
            (
                "",
                "no channel given: serial:DEVICE, vsock:PORT, hvsock:PORT or unix:SOCKET",
            ),
            ("tcp:1", "tcp:1 is no value for CHANNEL"),
            ("vsock:x", "x is no value for CHANNEL"),
            ("unix:/a --dns", "--dns needs a value"),
            ("unix:/a --dns 1.2.3.4", "1.2.3.4 is no value for --dns"),
            ("unix:/a --nonsense 1", "there is no option --nonsense"),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), error, "{line}");
        }
    }
}
