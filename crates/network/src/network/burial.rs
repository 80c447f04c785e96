//! The last of a container that left: its interface, and with it its address.
//!
//! A pair of interfaces ends with the container's namespace, which the kernel takes apart in its own time, tens of
//! milliseconds; taking it away by hand costs as much again and holds up everybody who connects. So a leaving
//! container doesn't wait for it. Its address stays taken until then, since the next owner must not meet its
//! interface; and a namespace that somebody holds on to loses its interface after a grace.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Network;
use crate::kernel::links::{Removals, watch_removals};
use crate::{EndpointId, NetworkError};

/// How long a namespace may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// Those under way.
pub(super) struct Burials {
    pending: Mutex<HashMap<EndpointId, JoinHandle<()>>>,
    /// Told whenever an interface of the host is removed.
    removed: Arc<Notify>,
    _watch: Removals,
}

impl Burials {
    pub(super) fn open() -> Result<Self, NetworkError> {
        let removed = Arc::new(Notify::new());
        let told = Arc::clone(&removed);
        let watch = watch_removals(move || told.notify_waiters())?;
        Ok(Self {
            pending: Mutex::default(),
            removed,
            _watch: watch,
        })
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<EndpointId, JoinHandle<()>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    /// Waits until nothing is left of the containers that were disconnected.
    pub async fn settle(&self) {
        let pending: Vec<_> = self.inner.burials.pending().drain().collect();
        for (_, burial) in pending {
            let _ = burial.await;
        }
    }

    /// Waits until nothing is left of `id`'s last connection.
    pub(super) async fn settle_one(&self, id: &EndpointId) {
        let burial = self.inner.burials.pending().remove(id);
        if let Some(burial) = burial {
            let _ = burial.await;
        }
    }

    /// Sees `id`'s interface off, whose namespace has been let go, and gives its address back.
    pub(super) fn bury(&self, id: &EndpointId, address: Option<Ipv4Addr>) {
        let network = self.clone();
        let name = self.host_interface(id);
        let mut pending = self.inner.burials.pending();
        pending.retain(|_, burial| !burial.is_finished());
        let earlier = pending.remove(id);
        let burial = tokio::spawn(async move {
            // Who waits for this one waits for both: one that goes on alone might take a later connection's interface.
            if let Some(earlier) = earlier {
                let _ = earlier.await;
            }
            if tokio::time::timeout(GRACE, network.gone(&name))
                .await
                .is_err()
                && let Err(error) = network.inner.links.delete(&name).await
            {
                // The address stays taken: better one too few than two containers with one.
                tracing::warn!(interface = %name, %error, "interface of a container that left");
                return;
            }
            if let Some(ip) = address {
                network.pool().give_back(ip);
            }
        });
        pending.insert(id.clone(), burial);
    }

    async fn gone(&self, name: &str) {
        loop {
            let removed = self.inner.burials.removed.notified();
            tokio::pin!(removed);
            // From before the look: what is removed between the look and the wait is not missed.
            removed.as_mut().enable();
            if let Ok(None) = self.inner.links.find(name).await {
                return;
            }
            removed.await;
        }
    }
}
