//! The machine's network: loopback, and one card that is told by DHCP who it is. IPv6 is the kernel's own work.

mod client;
mod interface;
mod message;
mod packet;
mod resolv;
mod sys;

use std::path::Path;
use std::time::Duration;

use super::console::say;
use super::error::{InitError, kernel};
use super::uevent::wait_for;

/// The one card; without udev, none is renamed.
const CARD: &str = "eth0";
const LIMIT: Duration = Duration::from_secs(10);

/// Brings up the loopback device.
pub fn loopback() -> Result<(), InitError> {
    interface::bring_up("lo").map_err(kernel("bring up the loopback device"))
}

/// Brings up the card and keeps its address alive; never returns, and needs no one to wait for it: the engine can do
/// much without a network.
pub fn run() {
    let found = wait_for("the network card", LIMIT, || {
        Path::new("/sys/class/net")
            .join(CARD)
            .exists()
            .then_some(())
    });
    if let Err(error) = found {
        say("network", format_args!("none: {error}"));
        return;
    }
    // A router among containers takes no advice from routers, unless it is told to.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{CARD}/accept_ra"), "2");
    let identity = interface::bring_up(CARD).and_then(|()| interface::Card::find(CARD));
    match identity {
        Ok(card) => client::run(&card),
        Err(error) => say(
            "network",
            format_args!("{CARD} can't be brought up: {error}"),
        ),
    }
}
