//! Which ports of this machine are taken, so that the app can suggest a free one.
//!
//! The kernel's own list of listening sockets is read: binding a port to try it would need root below 1024. The
//! engine has the last word at the start.

use std::collections::HashSet;

use tauri::State;

use crate::engine::Engine;
use crate::error::CommandError;

/// State `TCP_LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// `wanted` where it is free, else the next free port after it (after 8080 for a port below 1024).
#[tauri::command]
pub async fn port_suggest(engine: State<'_, Engine>, wanted: u16) -> Result<u16, CommandError> {
    suggest(&engine, wanted).await
}

/// As [`port_suggest`].
pub async fn suggest(engine: &Engine, wanted: u16) -> Result<u16, CommandError> {
    let mut taken = listening().await;
    let client = engine.client()?;
    for container in client.list_containers(None).await? {
        taken.extend(
            container
                .ports
                .unwrap_or_default()
                .into_iter()
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

async fn listening() -> HashSet<u16> {
    let mut taken = HashSet::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // Where IPv6 is off there is no such file.
        if let Ok(table) = tokio::fs::read_to_string(file).await {
            taken.extend(table.lines().filter_map(listening_port));
        }
    }
    taken
}

/// `0: 00000000:1F90 00000000:0000 0A …`
fn listening_port(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let state = fields.nth(1)?;
    if state != LISTEN {
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
    async fn a_listening_socket_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("socket");
        let port = listener.local_addr().expect("address").port();
        assert!(listening().await.contains(&port));
    }

    #[test]
    fn only_listening_sockets_count() {
        let line = "   1: 0100007F:1F90 00000000:0000 01 00000000:00000000";
        assert_eq!(listening_port(line), None);
        assert_eq!(listening_port(&line.replace(" 01 ", " 0A ")), Some(8080));
        assert_eq!(listening_port("  sl  local_address rem_address   st"), None);
    }
}
