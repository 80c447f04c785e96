//! IPv4 forwarding, which containers need, without making the host a router for everybody.
//!
//! Forwarding is a switch of the whole host: with it on, a machine of the local network could send its packets by this
//! host to any other network that the host has a way to, such as a VPN. So whoever turns the switch shuts that way, as
//! Docker does. Not by the policy of iptables' chain `FORWARD`, which would also shut out podman's and other bridges: what
//! comes from or goes to a bridge, or to a container's own interface, is left to its owner.
//!
//! Where forwarding is on already, the host is a router by somebody's will, and nothing is shut.

use super::rules::run_nft;
use super::sysctl;
use crate::NetworkError;

const SWITCH: &str = "net/ipv4/ip_forward";

/// The table that drops; it has no owner, and stays until the host is started anew.
const SHUT: &str = r#"table ip gantry_forward
delete table ip gantry_forward
table ip gantry_forward {
	# IPv4 forwarding was off until gantryd switched it on for its containers (see gantryd --ip-forward-no-drop).
	chain forward {
		type filter hook forward priority filter; policy accept;
		meta iifkind { "bridge", "veth" } accept
		meta oifkind { "bridge", "veth" } accept
		drop
	}
}
"#;
/// Making it first, so that there is one to delete.
const OPEN: &str = "table ip gantry_forward\ndelete table ip gantry_forward\n";

/// Switches forwarding on; for `others` too, or else for those on bridges only. Blocking.
pub(crate) fn switch_on(others: bool) -> Result<(), NetworkError> {
    let change = |script, what: &str| {
        run_nft(script).map_err(|reason| NetworkError::Rules {
            what: what.to_owned(),
            reason,
        })
    };
    if others {
        change(OPEN, "open forwarding to all")?;
    } else if !sysctl::is(SWITCH, "1") {
        change(SHUT, "shut forwarding to others")?;
        tracing::info!(
            "switching IPv4 forwarding on; what is neither from nor to a container is dropped: see --ip-forward-no-drop"
        );
    }
    sysctl::set(SWITCH, "1")
}
