//! Firewalls of others on the same host.
//!
//! A packet passes every chain on its way, so what another's chain drops no rule of ours can let through. Docker and
//! ufw set the policy of iptables' chain `FORWARD` to drop: there the bridge is exempted, which leaves the deciding
//! to this network's own table.

use std::fs;
use std::process::{Command, Output, Stdio};

use super::rules;

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
    let listed = output(rules::program("nft").args(["list", "chain", "ip", "filter", "FORWARD"]))?;
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
            .filter_map(|line| line.strip_prefix(rule)?.strip_suffix("accept"))
            // Of all packets, not of some.
            .any(|between| between.trim().is_empty() || is_counter(between.trim()))
    };
    let missing = directions.iter().filter(|rule| !is_there(rule));
    missing
        .map(|rule| format!("insert rule ip filter FORWARD {rule} counter accept\n"))
        .collect()
}

/// Whether this is `counter packets 3 bytes 9`.
fn is_counter(text: &str) -> bool {
    matches!(
        text.split(' ').collect::<Vec<_>>()[..],
        ["counter", "packets", _, "bytes", _]
    )
}

fn exempt_legacy(bridge: &str) -> Result<(), String> {
    // The tables somebody has used in this namespace; without the file or the line, iptables-legacy drops nothing.
    let tables = fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    if !tables.lines().any(|table| table == "filter") {
        return Ok(());
    }
    for direction in ["-i", "-o"] {
        let iptables = |action: &str| {
            output(rules::program("iptables-legacy").args([
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
        let somes = "\t\tiifname \"gantry0\" tcp dport 22 counter packets 3 bytes 9 accept\n\t\toifname \"gantry0\" accept\n";
        assert_eq!(
            missing_exemptions(somes, "gantry0"),
            "insert rule ip filter FORWARD iifname \"gantry0\" counter accept\n"
        );
    }
}
