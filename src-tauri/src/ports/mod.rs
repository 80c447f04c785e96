//! Which ports of this machine are taken, so that the app can suggest a free one. The engine has the last word at the
//! start.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
use elsewhere::Listening;
#[cfg(target_os = "linux")]
use linux::Listening;

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
    let listening = Listening::look(protocol).await;
    let mut published = HashSet::new();
    let client = engine.client()?;
    for container in client.list_containers(None).await? {
        let ports = container.ports.unwrap_or_default().into_iter();
        published.extend(
            ports
                .filter(|port| {
                    let typ = port.typ.map(|typ| typ.to_string());
                    typ.as_deref().unwrap_or("tcp") == protocol.name()
                })
                .filter_map(|port| port.public_port),
        );
    }
    Ok(choose(wanted, |port| {
        published.contains(&port) || listening.has(port)
    }))
}

fn choose(wanted: u16, taken: impl Fn(u16) -> bool) -> u16 {
    if wanted != 0 && !taken(wanted) {
        return wanted;
    }
    let from = if wanted < 1024 {
        8000 + wanted % 1000
    } else {
        wanted
    };
    (from..=u16::MAX)
        .chain(1024..from)
        .find(|port| !taken(*port))
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_kept_and_a_taken_one_replaced() {
        let taken = |port| [80, 8080, 5000].contains(&port);
        assert_eq!(choose(81, taken), 81);
        assert_eq!(choose(80, taken), 8081);
        assert_eq!(choose(5000, taken), 5001);
        assert_eq!(choose(u16::MAX, |port| port == u16::MAX), 1024);
    }

    #[tokio::test]
    async fn a_socket_that_waits_is_seen_by_its_protocol() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("socket");
        let port = listener.local_addr().expect("address").port();
        assert!(Listening::look(Protocol::Tcp).await.has(port));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
        let port = socket.local_addr().expect("address").port();
        assert!(Listening::look(Protocol::Udp).await.has(port));
    }
}
