//! What a machine uses.

use std::fs;

use gantry_tunnel::agent::{AgentCall, AgentReply};
use tokio::sync::oneshot;

use super::session::call;
use super::shared::{Shared, Wish};
use crate::control::Figures;

/// Gathers the figures; what can't be had now is left out.
pub async fn gather(shared: &Shared) -> Figures {
    let disk = shared.machine.paths.disk();
    let guest = match shared.tunnel() {
        // A guest that stands still is not asked.
        Some(tunnel) if shared.status().state == crate::State::Running => {
            match call(&tunnel, &AgentCall::Figures).await {
                Ok(AgentReply::Figures(figures)) => serde_json::to_value(figures).ok(),
                _ => None,
            }
        }
        _ => None,
    };
    let (answer, memory) = oneshot::channel();
    let memory_now = match shared.wishes.send(Wish::Memory(answer)).await {
        Ok(()) => memory.await.ok().flatten(),
        Err(_) => None,
    };
    Figures {
        host_memory: shared.status().vm_pid.and_then(resident),
        guest,
        memory_now,
        disk_used: shared.machine.disk_used().unwrap_or(0),
        disk_size: fs::metadata(disk).map_or(0, |metadata| metadata.len()),
        api_connections: shared.api_connections(),
        ports: shared.ports(),
    }
}

/// Bytes of memory that process `pid` holds.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_memory_and_one_that_is_not_there_none() {
        assert!(resident(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident(u32::MAX), None);
    }
}
