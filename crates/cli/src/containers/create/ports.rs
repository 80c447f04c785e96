//! Published and exposed ports, in docker's notation.

use std::net::IpAddr;

use bollard::models::{PortBinding, PortMap};

use crate::error::{CliError, Result};

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
}

impl Range {
    fn len(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

fn range(text: &str) -> Option<Range> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Range { first, last })
}

fn protocol(text: &str) -> Result<(&str, String)> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(CliError::invalid(format!(
            "invalid proto: {protocol} in {text:?}: use tcp, udp or sctp"
        )));
    }
    Ok((ports, protocol))
}

/// The ports of `--expose`: `80`, `80-90/udp`.
pub fn expose(text: &str) -> Result<Vec<String>> {
    let (ports, protocol) = protocol(text)?;
    let range = range(ports)
        .ok_or_else(|| CliError::invalid(format!("invalid range format for --expose: {text}")))?;
    Ok(range
        .ports()
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

/// The bindings of all `-p`.
pub fn publish(flags: &[String]) -> Result<PortMap> {
    let mut all = PortMap::new();
    for flag in flags {
        for (port, binding) in one(flag)? {
            all.entry(port)
                .or_default()
                .get_or_insert_default()
                .push(binding);
        }
    }
    Ok(all)
}

/// `[IP:][HOST:]CONTAINER[/PROTOCOL]`, each side a port or a range, an IPv6 address in brackets.
fn one(flag: &str) -> Result<Vec<(String, PortBinding)>> {
    let wrong = |what: String| CliError::invalid(format!("invalid publish {flag:?}: {what}"));
    let (rest, protocol) = protocol(flag)?;
    let (address, host, container) = split(rest);
    let host_ip = match address {
        "" => String::new(),
        address => address
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .map_err(|_| wrong(format!("invalid IP address: {address}")))?
            .to_string(),
    };
    if container.is_empty() {
        return Err(wrong("no container port specified".to_owned()));
    }
    let inside =
        range(container).ok_or_else(|| wrong(format!("invalid containerPort: {container}")))?;
    let outside = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| wrong(format!("invalid hostPort: {host}")))?),
    };
    let binding = |host_port: String| PortBinding {
        host_ip: Some(host_ip.clone()),
        host_port: Some(host_port),
    };
    let name = |port: u16| format!("{port}/{protocol}");
    match outside {
        None => Ok(inside
            .ports()
            .map(|port| (name(port), binding(String::new())))
            .collect()),
        // One port inside, several outside: the engine picks one.
        Some(outside) if inside.len() == 1 => {
            let text = if outside.len() == 1 {
                outside.first.to_string()
            } else {
                format!("{}-{}", outside.first, outside.last)
            };
            Ok(vec![(name(inside.first), binding(text))])
        }
        Some(outside) if outside.len() == inside.len() => Ok(inside
            .ports()
            .zip(outside.ports())
            .map(|(inside, outside)| (name(inside), binding(outside.to_string())))
            .collect()),
        Some(_) => Err(wrong(
            "the ranges for container and host ports differ in length".to_owned(),
        )),
    }
}

/// Address, host port, container port; empty where not given.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((front, container)) = text.rsplit_once(':') else {
        return ("", "", text);
    };
    match front.rsplit_once(':') {
        // `[::1]:80`, or an IPv6 address with its last part taken for a port, can't be told apart: brackets decide.
        Some((address, host)) if !front.ends_with(']') => (address, host, container),
        _ if front.ends_with(']') => (front, "", container),
        _ => ("", front, container),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(flag: &str) -> String {
        match one(flag) {
            Ok(bindings) => bindings
                .iter()
                .map(|(port, binding)| {
                    format!(
                        "{}>{}>{port}",
                        binding.host_ip.as_deref().unwrap_or("-"),
                        binding.host_port.as_deref().unwrap_or("-")
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_notation() {
        let flags = [
            "80",
            "8080:80",
            "127.0.0.1:8080:80/udp",
            "127.0.0.1::80",
            "[::1]:8080:80",
            "::1:8080:80",
            "8000-8002:80-82",
            "8000-8010:80",
            "80-81",
            "x:80",
            "1.2.3:1:2",
            "80/icmp",
            "8080:",
            "70000:80",
            "80-90:1-2",
            "90-80:80",
        ];
        let text: Vec<_> = flags
            .iter()
            .map(|flag| format!("{flag} = {}", shown(flag)))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        80 = >>80/tcp
        8080:80 = >8080>80/tcp
        127.0.0.1:8080:80/udp = 127.0.0.1>8080>80/udp
        127.0.0.1::80 = 127.0.0.1>>80/tcp
        [::1]:8080:80 = ::1>8080>80/tcp
        ::1:8080:80 = ::1>8080>80/tcp
        8000-8002:80-82 = >8000>80/tcp >8001>81/tcp >8002>82/tcp
        8000-8010:80 = >8000-8010>80/tcp
        80-81 = >>80/tcp >>81/tcp
        x:80 = invalid publish "x:80": invalid hostPort: x
        1.2.3:1:2 = invalid publish "1.2.3:1:2": invalid IP address: 1.2.3
        80/icmp = invalid proto: icmp in "80/icmp": use tcp, udp or sctp
        8080: = invalid publish "8080:": no container port specified
        70000:80 = invalid publish "70000:80": invalid hostPort: 70000
        80-90:1-2 = invalid publish "80-90:1-2": the ranges for container and host ports differ in length
        90-80:80 = invalid publish "90-80:80": invalid hostPort: 90-80
        "#);
    }

    #[test]
    fn exposed_ranges() {
        assert_eq!(expose("80-81/udp").unwrap(), ["80/udp", "81/udp"]);
        assert!(expose("x").is_err());
    }
}
