//! Contents of a container's `/etc/hosts`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

/// What every container's file begins with, as Docker writes it.
const COMMON: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// Where an extra host's name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// The machine the containers run on (`host-gateway`).
    Gateway,
}

/// One `--add-host`: `name:address` (or `name=address`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name: no white space and no control characters.
    pub name: String,
    /// What it stands for.
    pub address: HostAddress,
}

/// Why an [`ExtraHost`] is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseHostError {
    /// No name, no separator, or a name that would break the file's lines.
    #[error("bad format for add-host: {0:?}")]
    Malformed(String),
    /// The address is none.
    #[error("invalid IP address in add-host: {0:?}")]
    Address(String),
}

impl FromStr for ExtraHost {
    type Err = ParseHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(200).collect::<String>();
        // The name ends at the first separator, since an IPv6 address is full of colons.
        let (name, address) = text
            .split_once(['=', ':'])
            .ok_or_else(|| ParseHostError::Malformed(shown()))?;
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
        {
            return Err(ParseHostError::Malformed(shown()));
        }
        let bare = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        let address = match bare {
            "host-gateway" => HostAddress::Gateway,
            ip => HostAddress::Ip(
                ip.parse()
                    .map_err(|_| ParseHostError::Address(address.chars().take(80).collect()))?,
            ),
        };
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }
}

/// The file of a container with its own network namespace.
///
/// `own` is its address (none in `none` mode), `gateway` what `host-gateway` stands for. Where there is no gateway,
/// hosts that need one are left out.
pub fn hosts_file(
    own: Option<IpAddr>,
    hostname: &str,
    domainname: &str,
    extra: &[ExtraHost],
    gateway: Option<IpAddr>,
) -> String {
    let mut file = String::from(COMMON);
    append(&mut file, extra, gateway);
    if let Some(ip) = own {
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let (hostname, domainname) = (first_line(hostname), first_line(domainname));
        // The full name comes first: `hostname -f` takes the first name of the line.
        let names = if domainname.is_empty() {
            hostname
        } else {
            format!("{hostname}.{domainname} {hostname}")
        };
        let _ = writeln!(file, "{ip}\t{names}");
    }
    file
}

/// The file of a container that shares the host's network: the host's own `file` and the extra hosts.
pub fn hosts_file_of_host(file: &str, extra: &[ExtraHost], gateway: Option<IpAddr>) -> String {
    let mut file = file.to_owned();
    if !file.is_empty() && !file.ends_with('\n') {
        file.push('\n');
    }
    append(&mut file, extra, gateway);
    file
}

fn append(file: &mut String, extra: &[ExtraHost], gateway: Option<IpAddr>) {
    for host in extra {
        let address = match host.address {
            HostAddress::Ip(ip) => Some(ip),
            HostAddress::Gateway => gateway,
        };
        if let Some(address) = address {
            let _ = writeln!(file, "{address}\t{}", host.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_containers_file() {
        let extra = [
            "db:10.0.0.9".parse().unwrap(),
            "six=fd00::1".parse().unwrap(),
            "host.docker.internal:host-gateway".parse().unwrap(),
        ];
        let gateway = Ipv4Addr::new(172, 17, 0, 1);
        let file = hosts_file(
            Some(Ipv4Addr::new(172, 17, 0, 2).into()),
            "web",
            "example.org",
            &extra,
            Some(gateway.into()),
        );
        let tail = file.strip_prefix(COMMON).unwrap();
        assert_eq!(
            tail,
            "10.0.0.9\tdb\nfd00::1\tsix\n172.17.0.1\thost.docker.internal\n172.17.0.2\tweb.example.org web\n"
        );
        assert_eq!(hosts_file(None, "web", "", &extra[2..], None), COMMON);
    }

    #[test]
    fn hosts_files_keep_their_lines() {
        let extra = ["a:1.2.3.4".parse().unwrap()];
        assert_eq!(
            hosts_file_of_host("127.0.0.1 localhost", &extra, None),
            "127.0.0.1 localhost\n1.2.3.4\ta\n"
        );
        let file = hosts_file(
            Some(Ipv4Addr::LOCALHOST.into()),
            "web\n6.6.6.6 bank",
            "",
            &[],
            None,
        );
        assert!(!file.contains("bank"));
    }

    #[test]
    fn names_that_would_forge_a_line_are_refused() {
        for bad in [
            "",
            "a",
            ":1.2.3.4",
            "a b:1.2.3.4",
            "a\n6.6.6.6 b:1.2.3.4",
            "#a:1.2.3.4",
        ] {
            assert!(
                matches!(bad.parse::<ExtraHost>(), Err(ParseHostError::Malformed(_))),
                "{bad:?}"
            );
        }
        for bad in ["a:", "a:1.2.3", "a:gateway", "a:1.2.3.4\n6.6.6.6 b"] {
            assert!(
                matches!(bad.parse::<ExtraHost>(), Err(ParseHostError::Address(_))),
                "{bad:?}"
            );
        }
        assert_eq!(
            "a:[::1]".parse::<ExtraHost>().unwrap().address,
            HostAddress::Ip("::1".parse().unwrap())
        );
    }
}
