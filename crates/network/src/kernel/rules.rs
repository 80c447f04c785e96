//! A network's nftables table: written whole, in one transaction, when the network is opened.
//!
//! Containers come and go without touching a rule: what differs between them are the elements of four maps
//! ([`elements`](super::elements)). Chains of other tables, Docker's among them, see the same packets; what they drop
//! is dropped.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{NetworkError, Subnet};

/// Name of a network's table in family `ip`.
pub(crate) fn table_name(bridge: &str) -> String {
    format!("gantry-{bridge}")
}

/// Puts the table in place, instead of an earlier one. Blocking.
pub(crate) fn install(bridge: &str, subnet: Subnet) -> Result<(), NetworkError> {
    run_nft(&script(bridge, subnet)).map_err(|reason| NetworkError::Rules {
        what: format!("install table {}", table_name(bridge)),
        reason,
    })
}

/// `bridge` has been checked to be a plain word.
fn script(bridge: &str, subnet: Subnet) -> String {
    let table = table_name(bridge);
    let network = subnet.cidr();
    format!(
        r#"table ip {table}
delete table ip {table}
table ip {table} {{
	# Published on every address of the host, and on one of them.
	map tcp_any {{ type inet_service : ipv4_addr . inet_service; }}
	map udp_any {{ type inet_service : ipv4_addr . inet_service; }}
	map tcp_at {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; }}
	map udp_at {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; }}

	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		# A container that calls the host, perhaps itself, is answered by the proxy.
		iifname "{bridge}" return
		fib daddr type local jump published
	}}

	chain output {{
		type nat hook output priority -100; policy accept;
		# The kernel sends nothing from a loopback address to another machine: the proxy's.
		ip daddr 127.0.0.0/8 return
		fib daddr type local jump published
	}}

	chain published {{
		dnat ip to ip daddr . tcp dport map @tcp_at
		dnat ip to tcp dport map @tcp_any
		dnat ip to ip daddr . udp dport map @udp_at
		dnat ip to udp dport map @udp_any
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {network} oifname != "{bridge}" masquerade
	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
		oifname != "{bridge}" accept
		iifname "{bridge}" accept
		ct state established,related accept
		ct status dnat accept
		# Only published ports are for others.
		drop
	}}
}}
"#
    )
}

/// A program of the system's; it is found whatever `PATH` the engine was started with.
pub(super) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command
}

/// Hands a script to `nft`, which carries it out whole or not at all. Blocking.
pub(crate) fn run_nft(script: &str) -> Result<(), String> {
    let mut nft = program("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                "the program nft is missing; install the package nftables".to_owned()
            }
            _ => format!("start nft: {error}"),
        })?;
    if let Some(mut stdin) = nft.stdin.take() {
        // If it fails, nft's own words say why.
        let _ = stdin.write_all(script.as_bytes());
    }
    let output = nft
        .wait_with_output()
        .map_err(|error| format!("wait for nft: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let words: String = String::from_utf8_lossy(&output.stderr)
            .chars()
            .take(1000)
            .collect();
        Err(format!("{}: {}", output.status, words.trim()))
    }
}
