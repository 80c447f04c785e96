//! A container's published ports.

use std::sync::Arc;

use super::{Network, blocking};
use crate::kernel::elements::{self, Redirect};
use crate::kernel::rules;
use crate::publish::{Followed, Proxy, hold};
use crate::{EndpointId, NetworkError, PortBinding, PortRequest};

impl Network {
    /// Holds the host's ports and leads them to the container: all of `ports` or, on an error, none. Once per
    /// connection. The ports are let go when the engine ends, until [`Network::follow`] is called.
    ///
    /// # Errors
    /// [`NetworkError::PortTaken`] and its like, or where the proxy can't be started.
    pub async fn publish(
        &self,
        id: &EndpointId,
        ports: &[PortRequest],
    ) -> Result<Vec<PortBinding>, NetworkError> {
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let ip = match self.attached().get(id) {
            None => return Err(NetworkError::NotConnected(id.clone())),
            Some(attached) if attached.proxy.is_some() => {
                return Err(NetworkError::AlreadyConnected(id.clone()));
            }
            Some(attached) => attached.endpoint.ip,
        };
        let (requests, program, record) = (
            ports.to_vec(),
            self.inner.options.proxy_binary.clone(),
            self.record_path(id),
        );
        let (proxied, table, place) = (
            id.clone(),
            rules::table_name(self.bridge()),
            self.inner.place.clone(),
        );
        let (proxy, bindings) = blocking(move || {
            let held = hold(&place, &requests)?;
            let bindings: Vec<_> = held.iter().map(|held| held.binding).collect();
            let proxy = Proxy::start(&program, &place, &proxied, &record, &table, ip, &held)
                .inspect_err(|_| place.let_go(&bindings))?;
            Ok((proxy, bindings))
        })
        .await?;
        let redirects = self.inner.redirects_of(&bindings, ip);
        // Before they are in force: a table that has to be put back gets all that is known.
        if let Some(attached) = self.attached().get_mut(id) {
            attached.ports.clone_from(&bindings);
        }
        let redirected = self.redirect(redirects).await;
        let proxy = match (self.attached().get_mut(id), &redirected) {
            (Some(attached), Ok(())) => attached.proxy.replace(proxy),
            (Some(attached), Err(_)) => {
                attached.ports.clear();
                Some(proxy)
            }
            (None, _) => Some(proxy),
        };
        if let Some(unwanted) = proxy {
            if let Err(left) = unwanted.stop().await {
                tracing::warn!(error = %left, "port proxy left over");
            }
            self.inner.place.let_go(&bindings);
        }
        redirected.map(|()| bindings)
    }

    /// Ties the container's published ports to process `pid` (its shim): they outlive the engine and are let go when
    /// the process ends, which may be now. Nothing to do for a container that publishes nothing.
    ///
    /// # Errors
    /// Where the proxy is gone.
    pub async fn follow(&self, id: &EndpointId, pid: i32) -> Result<(), NetworkError> {
        let proxy = self
            .attached()
            .get_mut(id)
            .and_then(|attached| attached.proxy.take());
        let Some(mut proxy) = proxy else {
            return Ok(());
        };
        let program = self.inner.options.proxy_binary.clone();
        let (proxy, result) = blocking(move || {
            let result = proxy.follow(&program, pid);
            Ok((proxy, result))
        })
        .await?;
        if result
            .as_ref()
            .is_ok_and(|followed| *followed == Followed::Gone)
        {
            return proxy.stop().await;
        }
        if let Some(attached) = self.attached().get_mut(id) {
            attached.proxy = Some(proxy);
        }
        result.map(|_| ())
    }

    /// Lets the kernel redirect by itself what it can.
    pub(super) async fn redirect(&self, redirects: Vec<Redirect>) -> Result<(), NetworkError> {
        let redirects = Arc::new(redirects);
        let add = || {
            let (inner, redirects) = (Arc::clone(&self.inner), Arc::clone(&redirects));
            let table = rules::table_name(self.bridge());
            blocking(move || elements::add(&inner.netfilter, &table, &redirects))
        };
        if add().await? {
            return Ok(());
        }
        self.inner.restore().await?;
        match add().await? {
            true => Ok(()),
            false => Err(NetworkError::Rules {
                what: "add redirects".to_owned(),
                reason: "the network's table is removed again and again".to_owned(),
            }),
        }
    }

    pub(super) async fn undo_redirects(
        &self,
        redirects: Vec<Redirect>,
    ) -> Result<(), NetworkError> {
        let inner = Arc::clone(&self.inner);
        let table = rules::table_name(self.bridge());
        blocking(move || elements::remove(&inner.netfilter, &table, &redirects)).await
    }
}
