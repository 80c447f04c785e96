//! Firewalls of others on the same host.
//!
//! A packet passes every chain on its way, so what another's chain drops no rule of ours can let through. Docker and
//! ufw set the policy of iptables' chain `FORWARD` to drop: there the bridge is exempted, which leaves the deciding
//! to this network's own table. Whichever starts first: later changes are watched (those of iptables-legacy can't be;
//! it is looked at when the network is opened).

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use tokio::task::AbortHandle;

use super::{netfilter, rules, watch};
use crate::NetworkError;

/// Ends the watch when it is dropped.
pub(crate) struct FirewallWatch(AbortHandle);

impl Drop for FirewallWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Exempts `bridge` again whenever somebody changes the host's chains. Opens its socket in the calling thread's
/// namespace; needs a runtime's context.
pub(crate) fn keep_exempt(bridge: String, changes: OwnedFd) -> Result<FirewallWatch, NetworkError> {
    let changes = watch(changes).map_err(|source| NetworkError::System {
        what: "watch nftables",
        source,
    })?;
    let task = tokio::spawn(async move {
        loop {
            let Ok(mut ready) = changes.readable().await else {
                return;
            };
            let changed = ready.try_io(|socket| netfilter::chains_changed(socket.get_ref()));
            if let Ok(Ok(false)) | Err(_) = changed {
                continue;
            }
            // Also after an error, which means that something was missed.
            let bridge = bridge.clone();
            let _ = tokio::task::spawn_blocking(move || exempt(&bridge)).await;
        }
    });
    Ok(FirewallWatch(task.abort_handle()))
}

/// Exempts `bridge` from iptables' chain `FORWARD`, where there is one. Blocking. What fails is logged: the network
/// may work all the same.
pub(crate) fn exempt(bridge: &str) {
    if let Err(reason) = exempt_nft(bridge) {
        tracing::warn!(
            bridge,
            reason,
            "could not exempt the bridge from chain FORWARD of iptables"
        );
    }
    if let Err(reason) = exempt_legacy(bridge) {
        tracing::warn!(
            bridge,
            reason,
            "could not exempt the bridge from chain FORWARD of iptables-legacy"
        );
    }
}

/// iptables on nftables keeps its chains in table `ip filter`.
fn exempt_nft(bridge: &str) -> Result<(), String> {
    let listed = output(Command::new("nft").args(["list", "chain", "ip", "filter", "FORWARD"]))?;
    if !listed.status.success() {
        return Ok(());
    }
    let script = missing_exemptions(&String::from_utf8_lossy(&listed.stdout), bridge);
    if script.is_empty() {
        Ok(())
    } else {
        rules::run_nft(&script)
    }
}

/// Commands for the exemptions that the chain, as `nft` lists it, lacks.
fn missing_exemptions(chain: &str, bridge: &str) -> String {
    let directions = ["iifname", "oifname"].map(|direction| format!("{direction} \"{bridge}\""));
    let is_there = |rule: &str| {
        chain
            .lines()
            .map(str::trim)
            .any(|line| line.starts_with(rule) && line.ends_with("accept"))
    };
    let missing = directions.iter().filter(|rule| !is_there(rule));
    missing
        .map(|rule| format!("insert rule ip filter FORWARD {rule} counter accept\n"))
        .collect()
}

fn exempt_legacy(bridge: &str) -> Result<(), String> {
    // The tables somebody has used in this namespace; without the file or the line, iptables-legacy drops nothing.
    let tables = fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    if !tables.lines().any(|table| table == "filter") {
        return Ok(());
    }
    for direction in ["-i", "-o"] {
        let iptables = |action: &str| {
            output(Command::new("iptables-legacy").args([
                "--wait", "10", action, "FORWARD", direction, bridge, "-j", "ACCEPT",
            ]))
        };
        if !iptables("--check")?.status.success() {
            let inserted = iptables("--insert")?;
            if !inserted.status.success() {
                let words: String = String::from_utf8_lossy(&inserted.stderr)
                    .chars()
                    .take(500)
                    .collect();
                return Err(words.trim().to_owned());
            }
        }
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("run {program}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let dockers = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\toifname \"gantry01\" counter packets 0 bytes 0 accept\n";
        let both = missing_exemptions(dockers, "gantry0");
        assert_eq!(
            both,
            "insert rule ip filter FORWARD iifname \"gantry0\" counter accept\ninsert rule ip filter FORWARD oifname \"gantry0\" counter accept\n"
        );
        let ours = "\t\tiifname \"gantry0\" counter packets 3 bytes 9 accept\n\t\toifname \"gantry0\" accept\n";
        assert_eq!(missing_exemptions(ours, "gantry0"), "");
    }
}
