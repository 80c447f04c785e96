//! After a crash: what is in the kernel and what the engine knows are made to agree.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Attached, Network, blocking};
use crate::kernel::{conntrack, namespace, rules};
use crate::publish::{Proxy, hold_again, stop_recorded};
use crate::{Attachment, Endpoint, EndpointId, Failures, Live, NetworkError};

/// What [`Network::reconcile`] could not bring back.
#[derive(Debug, Default)]
pub struct Report {
    /// Living containers of which something is gone, and what; they live on without it.
    pub damaged: Vec<(EndpointId, NetworkError)>,
    /// Things of ours that could not be removed.
    pub failures: Failures,
}

impl Network {
    /// Makes the kernel's state and ours agree with what the engine knows to live: adopts the living, starts proxies
    /// that died again, and removes everything else that bears this network's marks. `<exec-root>` is taken to be
    /// this engine's alone.
    pub async fn reconcile(&self, live: &[Live]) -> Report {
        let mut report = Report::default();
        let ids: HashSet<&str> = live.iter().map(|live| live.id.as_str()).collect();
        self.remove_dead(&ids, live, &mut report.failures).await;
        for Live { id, attachment } in live {
            if let Some(attachment) = attachment
                && let Err(error) = self.adopt(id, attachment).await
            {
                report.damaged.push((id.clone(), error));
            }
        }
        let redirects = self.inner.redirects();
        report.failures.note(self.redirect(redirects).await);
        report.failures.note(self.forget_flows_of_the_dead().await);
        report
    }

    /// Clients that went on talking to a container while it ended unseen must find its successor.
    async fn forget_flows_of_the_dead(&self) -> Result<(), NetworkError> {
        let inner = Arc::clone(&self.inner);
        let mut alive = HashSet::from([inner.subnet.gateway()]);
        alive.extend(self.attached().values().map(|living| living.endpoint.ip));
        let is_gone = move |ip| inner.subnet.contains(ip) && !alive.contains(&ip);
        let inner = Arc::clone(&self.inner);
        blocking(move || conntrack::forget_udp(&inner.netfilter, is_gone)).await
    }

    /// The dead first: they may hold addresses and ports of the living.
    async fn remove_dead(&self, ids: &HashSet<&str>, live: &[Live], failures: &mut Failures) {
        let exec_root = &self.inner.options.exec_root;
        for (path, name) in failures
            .note(list(&exec_root.join("proxy")))
            .unwrap_or_default()
        {
            if !name.to_str().is_some_and(|name| ids.contains(name)) {
                failures.note(stop_recorded(&path).await);
            }
        }
        let on_bridge = live.iter().filter(|live| live.attachment.is_some());
        let interfaces: HashSet<String> = on_bridge
            .map(|live| self.host_interface(&live.id))
            .collect();
        let ports = failures
            .note(self.inner.links.ports_of(self.inner.bridge).await)
            .unwrap_or_default();
        for link in ports
            .iter()
            .filter(|link| is_ours(&link.name) && !interfaces.contains(&link.name))
        {
            failures.note(self.inner.links.delete(&link.name).await);
        }
        for (path, name) in failures
            .note(list(&exec_root.join("netns")))
            .unwrap_or_default()
        {
            if !name.to_str().is_some_and(|name| ids.contains(name)) {
                failures.note(blocking(move || namespace::remove(&path)).await);
            }
        }
    }

    async fn adopt(&self, id: &EndpointId, attachment: &Attachment) -> Result<(), NetworkError> {
        let Attachment {
            ip,
            mac,
            ports,
            pid,
        } = attachment;
        self.pool().take(Some(*ip))?;
        let endpoint = Endpoint {
            ip: *ip,
            prefix: self.inner.subnet.prefix(),
            gateway: self.inner.subnet.gateway(),
            mac: *mac,
            interface: super::connect::INTERFACE.to_owned(),
            host_interface: self.host_interface(id),
            netns: self.namespace_path(id),
        };
        let host_interface = endpoint.host_interface.clone();
        let attached = Attached {
            endpoint,
            ports: ports.clone(),
            proxy: None,
        };
        self.attached().insert(id.clone(), attached);
        let on_bridge = self.back_on_bridge(host_interface).await;
        if ports.is_empty() {
            return on_bridge;
        }
        let proxy = self.adopt_proxy(id, attachment, *pid).await;
        if let Some(attached) = self.attached().get_mut(id) {
            match proxy {
                Ok(proxy) => attached.proxy = Some(proxy),
                Err(error) => {
                    // Without the socket the port may be another's: no traffic of it may be taken.
                    attached.ports.clear();
                    return Err(error);
                }
            }
        }
        on_bridge
    }

    /// A bridge that was removed and made again has lost its ports.
    async fn back_on_bridge(&self, host_interface: String) -> Result<(), NetworkError> {
        let (links, bridge) = (&self.inner.links, self.inner.bridge);
        let link = links.find(&host_interface).await?;
        let link = link.ok_or(NetworkError::NoInterface(host_interface))?;
        if link.master == Some(bridge) {
            Ok(())
        } else {
            links.put_on_bridge(link.index, bridge).await
        }
    }

    async fn adopt_proxy(
        &self,
        id: &EndpointId,
        attachment: &Attachment,
        pid: i32,
    ) -> Result<Proxy, NetworkError> {
        let record = self.record_path(id);
        let (found_at, ports, ip) = (record.clone(), attachment.ports.clone(), attachment.ip);
        let found = blocking(move || Ok(Proxy::adopt(&found_at, ip, &ports, pid))).await?;
        if let Some(proxy) = found {
            return Ok(proxy);
        }
        stop_recorded(&record).await?;
        let (place, id, table, ports, program) = (
            self.inner.place.clone(),
            id.clone(),
            rules::table_name(self.bridge()),
            attachment.ports.clone(),
            self.inner.options.proxy_binary.clone(),
        );
        blocking(move || {
            let mut held = hold_again(&place, &ports)?;
            held.sort_by_key(|held| held.binding);
            let mut proxy = Proxy::start(&program, &place, &id, &record, &table, ip, &held)?;
            proxy.follow(&program, pid)?;
            Ok(proxy)
        })
        .await
    }
}

/// Whether an interface has the form of name this crate gives; a person may have put others on the bridge.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("veth")
        .is_some_and(|rest| rest.len() == 11 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn list(folder: &Path) -> Result<Vec<(std::path::PathBuf, OsString)>, NetworkError> {
    let read = || -> io::Result<Vec<_>> {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| (entry.path(), entry.file_name())))
            .collect()
    };
    read().map_err(|source| NetworkError::File {
        what: "list",
        path: folder.to_owned(),
        source,
    })
}
