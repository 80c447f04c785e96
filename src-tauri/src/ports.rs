//! Which ports of this machine are taken, so that the app can suggest a free one.
//!
//! The kernel's own list of listening sockets is read: binding a port to try it would need root below 1024. The
//! engine has the last word at the start.

use std::collections::HashSet;

use serde::Deserialize;
use tauri::State;

use crate::engine::Engine;
use crate::error::CommandError;

/// A protocol whose ports are counted on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The kernel's tables of its sockets, and the state there of one that is waiting: `TCP_LISTEN`, and `TCP_CLOSE`
    /// for UDP, which has no connections.
    fn tables(self) -> ([&'static str; 2], &'static str) {
        match self {
            Self::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], "0A"),
            Self::Udp => (["/proc/net/udp", "/proc/net/udp6"], "07"),
        }
    }
}

/// `wanted` where it is free, else the next free port after it (after 8080 for a port below 1024).
#[tauri::command]
pub async fn port_suggest(
    engine: State<'_, Engine>,
    wanted: u16,
    protocol: Protocol,
) -> Result<u16, CommandError> {
    suggest(&engine, wanted, protocol).await
}

/// As [`port_suggest`].
pub async fn suggest(
    engine: &Engine,
    wanted: u16,
    protocol: Protocol,
) -> Result<u16, CommandError> {
    let mut taken = listening(protocol).await;
    let client = engine.client()?;
    for container in client.list_containers(None).await? {
        let ports = container.ports.unwrap_or_default().into_iter();
        taken.extend(
            ports
                .filter(|port| {
                    let typ = port.typ.map(|typ| typ.to_string());
                    typ.as_deref().unwrap_or("tcp") == protocol.name()
                })
                .filter_map(|port| port.public_port),
        );
    }
    Ok(choose(wanted, &taken))
}

fn choose(wanted: u16, taken: &HashSet<u16>) -> u16 {
    if wanted != 0 && !taken.contains(&wanted) {
        return wanted;
    }
    let from = if wanted < 1024 {
        8000 + wanted % 1000
    } else {
        wanted
    };
    (from..=u16::MAX)
        .chain(1024..from)
        .find(|port| !taken.contains(port))
        .unwrap_or(wanted)
}

async fn listening(protocol: Protocol) -> HashSet<u16> {
    let mut taken = HashSet::new();
    let (tables, state) = protocol.tables();
    for file in tables {
        // Where IPv6 is off there is no such file.
        if let Ok(table) = tokio::fs::read_to_string(file).await {
            taken.extend(table.lines().filter_map(|line| port_in(line, state)));
        }
    }
    taken
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
    fn a_free_port_is_kept_and_a_taken_one_replaced() {
        let taken = HashSet::from([80, 8080, 5000]);
        assert_eq!(choose(81, &taken), 81);
        assert_eq!(choose(80, &taken), 8081);
        assert_eq!(choose(5000, &taken), 5001);
        assert_eq!(choose(u16::MAX, &HashSet::from([u16::MAX])), 1024);
    }

    #[tokio::test]
    async fn a_socket_that_waits_is_seen_by_its_protocol() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("socket");
        let port = listener.local_addr().expect("address").port();
        assert!(listening(Protocol::Tcp).await.contains(&port));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
        let port = socket.local_addr().expect("address").port();
        assert!(listening(Protocol::Udp).await.contains(&port));
    }

    #[test]
    fn only_listening_sockets_count() {
        let line = "   1: 0100007F:1F90 00000000:0000 01 00000000:00000000";
        assert_eq!(port_in(line, "0A"), None);
        assert_eq!(port_in(&line.replace(" 01 ", " 0A "), "0A"), Some(8080));
        assert_eq!(port_in("  sl  local_address rem_address   st", "0A"), None);
    }
}
