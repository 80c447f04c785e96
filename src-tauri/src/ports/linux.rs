//! The kernel's own list of sockets is read: binding a port to try it would need root below 1024.

use std::collections::HashSet;

use super::Protocol;

/// The ports that something listens at.
pub struct Listening(HashSet<u16>);

impl Listening {
    /// Looks once.
    pub async fn look(protocol: Protocol) -> Self {
        let mut taken = HashSet::new();
        let (tables, state) = tables(protocol);
        for file in tables {
            // Where IPv6 is off there is no such file.
            if let Ok(table) = tokio::fs::read_to_string(file).await {
                taken.extend(table.lines().filter_map(|line| port_in(line, state)));
            }
        }
        Self(taken)
    }

    /// Whether something listens at `port`.
    pub fn has(&self, port: u16) -> bool {
        self.0.contains(&port)
    }
}

/// The kernel's tables, and the state there of a socket that is waiting: `TCP_LISTEN`, and `TCP_CLOSE` for UDP, which
/// has no connections.
fn tables(protocol: Protocol) -> ([&'static str; 2], &'static str) {
    match protocol {
        Protocol::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], "0A"),
        Protocol::Udp => (["/proc/net/udp", "/proc/net/udp6"], "07"),
    }
}

/// `0: 00000000:1F90 00000000:0000 0A …`
fn port_in(line: &str, state: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    if fields.nth(1)? != state {
        return None;
    }
    u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_count() {
        let line = "   1: 0100007F:1F90 00000000:0000 01 00000000:00000000";
        assert_eq!(port_in(line, "0A"), None);
        assert_eq!(port_in(&line.replace(" 01 ", " 0A "), "0A"), Some(8080));
        assert_eq!(port_in("  sl  local_address rem_address   st", "0A"), None);
    }
}
