//! Contents of a container's `/etc/resolv.conf` ([resolv.conf(5)]), made from the host's.
//!
//! A resolver that listens on the host's loopback can't be reached from another network namespace. Docker's way out
//! is ours: where `systemd-resolved`'s stub is all there is, its list of real servers is taken instead; what is still
//! loopback (or IPv6, which containers on the bridge don't have) is left out; where nothing is left, public servers.
//!
//! [resolv.conf(5)]: https://man7.org/linux/man-pages/man5/resolv.conf.5.html

use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The file of the host, and the one `systemd-resolved` keeps with the servers behind its stub.
const HOST_FILE: &str = "/etc/resolv.conf";
const RESOLVED_FILE: &str = "/run/systemd/resolve/resolv.conf";
/// `systemd-resolved`'s stub.
const RESOLVED_STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
/// Used where the host has no server a container can reach, as Docker does.
const PUBLIC_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
/// The host's file is read to this many bytes.
const MAX_FILE: u64 = 64 * 1024;

/// `--dns`, `--dns-search` and `--dns-opt`; what is empty is taken from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsOptions {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Search domains; a single `.` for none at all.
    pub search: Vec<String>,
    /// Resolver options, such as `ndots:2`.
    pub options: Vec<String>,
}

/// Whose network namespace the file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The container's own: the host's loopback is out of reach.
    Own,
    /// The host's.
    Host,
}

/// A parsed `resolv.conf`; unknown lines are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Name servers, as written (an IPv6 one may have a `%zone`).
    pub servers: Vec<String>,
    /// Search domains.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

impl ResolvConf {
    /// Reads the lines that matter; the last `search` (or `domain`) line wins, as in the C library.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => conf.servers.extend(words.next()),
                Some("search") => conf.search = words.collect(),
                Some("domain") => conf.search = words.take(1).collect(),
                Some("options") => conf.options.extend(words),
                _ => {}
            }
        }
        conf
    }

    /// The host's, as far as a container in `namespace` can use it, with `dns`'s wishes in its place.
    fn for_container(
        mut self,
        resolved: Option<Self>,
        dns: &DnsOptions,
        namespace: Namespace,
    ) -> Self {
        if namespace == Namespace::Own {
            let is_stub = |server: &String| server.parse() == Ok(RESOLVED_STUB);
            if let Some(resolved) =
                resolved.filter(|_| self.servers.iter().all(is_stub) && !self.servers.is_empty())
            {
                self = resolved;
            }
            self.servers
                .retain(|server| server.parse::<Ipv4Addr>().is_ok_and(|ip| !ip.is_loopback()));
            if self.servers.is_empty() {
                self.servers = PUBLIC_SERVERS.map(str::to_owned).to_vec();
            }
        }
        if !dns.servers.is_empty() {
            self.servers = dns.servers.iter().map(IpAddr::to_string).collect();
        }
        if !dns.search.is_empty() {
            self.search = one_word_each(&dns.search);
        }
        self.search.retain(|domain| domain != ".");
        if !dns.options.is_empty() {
            self.options = one_word_each(&dns.options);
        }
        self
    }
}

/// Only words: what comes from a request must not add lines of its own.
fn one_word_each(texts: &[String]) -> Vec<String> {
    texts
        .iter()
        .filter_map(|text| text.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

impl fmt::Display for ResolvConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.servers {
            writeln!(f, "nameserver {server}")?;
        }
        for (word, values) in [("search", &self.search), ("options", &self.options)] {
            if !values.is_empty() {
                writeln!(f, "{word} {}", values.join(" "))?;
            }
        }
        Ok(())
    }
}

/// The file for a container. Reads the host's files (blocking, but small); an unreadable one counts as empty.
pub fn resolv_conf(dns: &DnsOptions, namespace: Namespace) -> String {
    let host = read_bounded(Path::new(HOST_FILE)).unwrap_or_default();
    let resolved = read_bounded(Path::new(RESOLVED_FILE));
    ResolvConf::parse(&host)
        .for_container(resolved.as_deref().map(ResolvConf::parse), dns, namespace)
        .to_string()
}

fn read_bounded(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(MAX_FILE)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(
        host: &str,
        resolved: Option<&str>,
        dns: &DnsOptions,
        namespace: Namespace,
    ) -> String {
        ResolvConf::parse(host)
            .for_container(resolved.map(ResolvConf::parse), dns, namespace)
            .to_string()
    }

    #[test]
    fn the_hosts_servers_are_kept() {
        let host = "# made by hand\ndomain old.example\nsearch a.example b.example\nnameserver 10.0.0.1 # first\nnameserver 10.0.0.2\noptions ndots:2 timeout:1\n";
        assert_eq!(
            container(host, None, &DnsOptions::default(), Namespace::Own),
            "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2 timeout:1\n"
        );
    }

    #[test]
    fn a_stub_is_replaced_by_what_is_behind_it() {
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n";
        let behind = "nameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch lan\n";
        let none = DnsOptions::default();
        assert_eq!(
            container(stub, Some(behind), &none, Namespace::Own),
            "nameserver 192.0.2.53\nsearch lan\n"
        );
        assert_eq!(
            container(stub, Some(behind), &none, Namespace::Host),
            "nameserver 127.0.0.53\noptions edns0 trust-ad\n"
        );
    }

    #[test]
    fn out_of_reach_falls_back_to_public_servers() {
        let none = DnsOptions::default();
        let public = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
        for host in [
            "",
            "nameserver 127.0.0.1\n",
            "nameserver ::1\nnameserver fe80::1%wlan0\n",
            "nameserver 2001:db8::1\n",
        ] {
            assert_eq!(
                container(host, None, &none, Namespace::Own),
                public,
                "{host:?}"
            );
        }
        // Another local resolver: what `systemd-resolved` once wrote is not to be trusted then.
        assert_eq!(
            container(
                "nameserver 127.0.0.1\n",
                Some("nameserver 9.9.9.9\n"),
                &none,
                Namespace::Own
            ),
            public
        );
    }

    #[test]
    fn wishes_go_before_the_host() {
        let dns = DnsOptions {
            servers: vec!["127.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            search: vec![".".into()],
            options: vec!["ndots:5\nnameserver 6.6.6.6".into()],
        };
        assert_eq!(
            container(
                "nameserver 10.0.0.1\nsearch a.example\n",
                None,
                &dns,
                Namespace::Own
            ),
            "nameserver 127.0.0.1\nnameserver 2001:db8::1\noptions ndots:5\n"
        );
    }
}
