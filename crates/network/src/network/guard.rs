//! Keeping the network in force while others change the host's rules.
//!
//! Whoever loads a firewall may start from nothing (`flush ruleset`, as `systemctl reload nftables` does), which takes
//! this network's table along; or may close chain `FORWARD` of iptables to everybody. Both are heard of and mended,
//! whichever starts first. (Changes of iptables-legacy are told to nobody: it is looked at when the network is opened.)

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::{Inner, blocking};
use crate::NetworkError;
use crate::kernel::netfilter::{Changes, read_changes};
use crate::kernel::{elements, firewalls, rules, tables, watch};

/// Ends the watch when it is dropped.
pub(super) struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Guard {
    /// Watches by `changes`, a socket that tells of them. Needs a runtime's context.
    pub(super) fn begin(network: &Arc<Inner>, changes: OwnedFd) -> Result<Self, NetworkError> {
        let watched = watch(changes).map_err(|source| NetworkError::System {
            what: "watch nftables",
            source,
        })?;
        let network = Arc::downgrade(network);
        let task = tokio::spawn(async move {
            loop {
                let Ok(mut ready) = watched.readable().await else {
                    return;
                };
                // All there is: who loads a firewall makes hundreds.
                let mut changes = Changes::default();
                loop {
                    match ready.try_io(|socket| read_changes(socket.get_ref(), &mut changes)) {
                        Ok(Ok(())) => {}
                        // Something was missed.
                        Ok(Err(_)) => {
                            changes = Changes::ALL;
                            break;
                        }
                        Err(_would_block) => break,
                    }
                }
                drop(ready);
                let Some(network) = network.upgrade() else {
                    return;
                };
                network.answer(changes).await;
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

impl Inner {
    async fn answer(&self, changes: Changes) {
        if changes.chains {
            let bridge = self.options.bridge.clone();
            let _ = tokio::task::spawn_blocking(move || firewalls::exempt(&bridge)).await;
        }
        if changes.tables
            && let Err(error) = self.restore().await
        {
            tracing::error!(bridge = self.options.bridge, %error, "the network's rules are gone and can't be put back");
        }
    }

    /// Puts the network's table back, with all that is published, if somebody has taken it away.
    pub(super) async fn restore(&self) -> Result<(), NetworkError> {
        let _one_at_a_time = self.restoring.lock().await;
        let (netfilter, bridge, subnet, redirects) = (
            Arc::clone(&self.netfilter),
            self.options.bridge.clone(),
            self.subnet,
            self.redirects(),
        );
        blocking(move || {
            if tables::bridges(&netfilter)?.contains(&bridge) {
                return Ok(());
            }
            tracing::warn!(
                bridge,
                "somebody removed the network's rules; putting them back"
            );
            rules::install(&bridge, subnet)?;
            elements::add(&netfilter, &rules::table_name(&bridge), &redirects)?;
            Ok(())
        })
        .await
    }
}
