//! `/etc/resolv.conf`, which is a link to a file in memory.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::message::Lease;

const PATH: &str = "/run/gantry/resolv.conf";

/// Writes who resolves names; readers see the old file or the new one.
pub fn write(lease: &Lease) -> io::Result<()> {
    let text = text(lease);
    if fs::read_to_string(PATH).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let new = format!("{PATH}.new");
    fs::write(&new, text)?;
    fs::rename(new, PATH)
}

fn text(lease: &Lease) -> String {
    let mut text = String::new();
    if let Some(domain) = &lease.domain {
        let _ = writeln!(text, "search {domain}");
    }
    for server in &lease.name_servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn servers_and_domain_are_written() {
        let lease = Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            server: Ipv4Addr::new(10, 0, 2, 2),
            router: None,
            name_servers: vec![Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(1, 1, 1, 1)],
            domain: Some("example.org".to_owned()),
            mtu: None,
            renew_after: Duration::from_secs(1),
            ends_after: Duration::from_secs(2),
        };
        assert_eq!(
            text(&lease),
            "search example.org\nnameserver 10.0.2.3\nnameserver 1.1.1.1\n"
        );
    }
}
