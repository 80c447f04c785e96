//! What the host tells the guest: `gantry.` words of the kernel's command line.
//!
//! Words that don't begin with `gantry.` are the kernel's; `gantry.` words that this version doesn't know are passed
//! over, so that a newer host can start an older guest.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

const PREFIX: &str = "gantry.";
const MAX_SHARES: usize = 64;
/// As the virtio specification bounds a file system's tag.
const MAX_TAG: usize = 36;
/// As the kernel bounds a host's name.
const MAX_HOSTNAME: usize = 64;
const MAX_PATH: usize = 4096;

/// What the host told.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// Over what the host talks to the agent; none where it doesn't.
    pub channel: Option<Channel>,
    /// Folders of the host's, in the order in which they are to be mounted.
    pub shares: Vec<Share>,
    /// The machine's name.
    pub hostname: String,
    /// Where the host answers, for containers that call it; none where it can't be called.
    pub gateway: Option<IpAddr>,
}

/// The byte stream between host and guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The virtio serial port named `gantry.tunnel`.
    Serial,
    /// A vsock port on which the guest listens.
    Vsock(u32),
    /// The same over Hyper-V's sockets.
    Hvsock(u32),
}

/// A folder of the host's.
#[derive(Debug, PartialEq, Eq)]
pub struct Share {
    /// The virtiofs tag.
    pub tag: String,
    /// Where it is on the host and in the guest: absolute, without `.` and `..`.
    pub path: PathBuf,
}

/// A word that isn't understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdlineError {
    /// The value of a key.
    #[error("gantry.{key} can't be {value:?}: it is {expected}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What it was given.
        value: String,
        /// What is understood.
        expected: &'static str,
    },
    /// More than can be meant.
    #[error("more than {MAX_SHARES} shared folders")]
    TooManyShares,
}

impl Settings {
    /// Reads the kernel's command line. The last word of a key counts, but for shares, of which each does.
    pub fn parse(line: &str) -> Result<Self, CmdlineError> {
        let mut settings = Self {
            channel: None,
            shares: Vec::new(),
            hostname: "gantry".to_owned(),
            gateway: None,
        };
        for word in line.split_ascii_whitespace() {
            let Some((key, value)) = word
                .strip_prefix(PREFIX)
                .and_then(|word| word.split_once('='))
            else {
                continue;
            };
            match key {
                "channel" => settings.channel = Some(channel(value)?),
                "gateway" => settings.gateway = Some(gateway(value)?),
                "hostname" => settings.hostname = hostname(value)?,
                "share" if settings.shares.len() == MAX_SHARES => {
                    return Err(CmdlineError::TooManyShares);
                }
                "share" => settings.shares.push(share(value)?),
                _ => {}
            }
        }
        // A folder is mounted before one inside it, or would hide it.
        settings.shares.sort_by(|a, b| a.path.cmp(&b.path));
        settings.shares.dedup_by(|a, b| a.path == b.path);
        Ok(settings)
    }
}

fn wrong(key: &'static str, value: &str, expected: &'static str) -> CmdlineError {
    CmdlineError::Value {
        key,
        value: value.chars().take(200).collect(),
        expected,
    }
}

fn channel(value: &str) -> Result<Channel, CmdlineError> {
    let port = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|port| (1..u32::MAX).contains(port))
    };
    let channel = match value.split_once(':') {
        None if value == "serial" => Some(Channel::Serial),
        Some(("vsock", text)) => port(text).map(Channel::Vsock),
        Some(("hvsock", text)) => port(text).map(Channel::Hvsock),
        _ => None,
    };
    channel.ok_or_else(|| wrong("channel", value, "serial, vsock:PORT or hvsock:PORT"))
}

fn gateway(value: &str) -> Result<IpAddr, CmdlineError> {
    value
        .parse()
        .map_err(|_| wrong("gateway", value, "an IP address"))
}

fn hostname(value: &str) -> Result<String, CmdlineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let fits = (1..=MAX_HOSTNAME).contains(&value.len());
    if fits && value.chars().all(plain) && !value.starts_with(['-', '.']) {
        Ok(value.to_owned())
    } else {
        Err(wrong(
            "hostname",
            value,
            "up to 64 letters, digits, dots and dashes",
        ))
    }
}

fn share(value: &str) -> Result<Share, CmdlineError> {
    let expected = "TAG:PATH, the path absolute, percent-encoded and without dots";
    let parsed = value.split_once(':').and_then(|(tag, encoded)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let tag_fits = (1..=MAX_TAG).contains(&tag.len()) && tag.chars().all(plain);
        let path = PathBuf::from(percent_decoded(encoded)?);
        (tag_fits && is_plain(&path)).then(|| Share {
            tag: tag.to_owned(),
            path,
        })
    });
    parsed.ok_or_else(|| wrong("share", value, expected))
}

/// Absolute, below the root, and the same however it is resolved.
fn is_plain(path: &Path) -> bool {
    let Some(text) = path.to_str() else {
        return false;
    };
    let rebuilt: PathBuf = path.components().collect();
    text.len() <= MAX_PATH
        && path.is_absolute()
        && path.parent().is_some()
        // `components` drops single dots and doubled slashes: what changed had them.
        && rebuilt.as_os_str() == path.as_os_str()
        && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
        && !text.contains('\0')
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_line_is_read() {
        let settings = Settings::parse(
            "console=ttyS0 quiet gantry.channel=vsock:1024 gantry.hostname=dev-1 gantry.gateway=10.0.2.2 \
             gantry.share=fs1:/home/me/work%20here gantry.share=fs0:/home/me gantry.future=1 BOOT_IMAGE=x",
        )
        .expect("understood");
        assert_eq!(settings.channel, Some(Channel::Vsock(1024)));
        assert_eq!(settings.hostname, "dev-1");
        assert_eq!(settings.gateway, Some(IpAddr::from([10, 0, 2, 2])));
        let shares: Vec<_> = settings
            .shares
            .iter()
            .map(|share| (share.tag.as_str(), share.path.as_path()))
            .collect();
        // The outer folder comes first.
        assert_eq!(
            shares,
            [
                ("fs0", Path::new("/home/me")),
                ("fs1", Path::new("/home/me/work here"))
            ]
        );
    }

    #[test]
    fn an_empty_line_has_defaults() {
        let settings = Settings::parse("").expect("understood");
        assert_eq!(
            (settings.channel, settings.hostname.as_str()),
            (None, "gantry")
        );
        assert!(settings.shares.is_empty());
    }

    #[test]
    fn channels_are_read() {
        assert_eq!(channel("serial"), Ok(Channel::Serial));
        assert_eq!(channel("hvsock:5"), Ok(Channel::Hvsock(5)));
        for hostile in [
            "",
            "serial:1",
            "vsock",
            "vsock:",
            "vsock:0",
            "vsock:-1",
            "vsock:4294967295",
            "vsock:1:2",
            "tcp:1",
        ] {
            assert!(channel(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn hostile_shares_are_refused() {
        for hostile in [
            "",
            ":",
            "fs0",
            "fs0:",
            ":/home",
            "fs0:/",
            "fs0:home/me",
            "fs0:/home/../etc",
            "fs0:/home/./me",
            "fs0:/home//me",
            "fs0:/home/me/",
            "fs0:/home/%2e%2e/etc",
            "fs0:/home/%00",
            "fs0:/home/%",
            "fs0:/home/%f",
            "fs0:/home/%zz",
            "fs0:/home/%+1",
            "fs0:/home/%ff",
            "fs/0:/home",
        ] {
            assert!(share(hostile).is_err(), "{hostile}");
        }
        let long_tag = format!("{}:/home", "t".repeat(37));
        let long_path = format!("t:/{}", "p".repeat(5000));
        assert!(share(&long_tag).is_err() && share(&long_path).is_err());
        let many = "gantry.share=t:/home ".repeat(65);
        assert_eq!(Settings::parse(&many), Err(CmdlineError::TooManyShares));
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "a".repeat(65);
        for hostile in ["", "-a", ".a", "a b", "a/b", "é", "a\n", &long] {
            assert!(hostname(hostile).is_err(), "{hostile}");
        }
        for hostile in ["", "10.0.2", "10.0.2.2/24", "host", "--flag"] {
            assert!(gateway(hostile).is_err(), "{hostile}");
        }
    }
}
