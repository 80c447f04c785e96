//! Whom the host asks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

/// Where the resolvers come from.
pub trait Resolvers: Send + Sync {
    /// The servers to ask, in order.
    fn servers(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The resolvers that the host's own programs ask: those of `/etc/resolv.conf`, or on Windows
/// those of the network adapters that are up.
///
/// Read for each question: a VPN or another network changes them. (On macOS the file has the
/// servers of the primary network; servers for single domains are not in it.)
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolvers;

/// A configuration is not longer.
#[cfg(unix)]
const LONGEST: u64 = 64 * 1024;
/// As many as are worth asking.
const MOST: usize = 4;

impl Resolvers for SystemResolvers {
    #[cfg(unix)]
    async fn servers(&self) -> io::Result<Vec<SocketAddr>> {
        use tokio::io::AsyncReadExt;
        let mut text = Vec::new();
        let file = tokio::fs::File::open("/etc/resolv.conf").await?;
        file.take(LONGEST).read_to_end(&mut text).await?;
        Ok(parse(&String::from_utf8_lossy(&text)))
    }

    #[cfg(windows)]
    async fn servers(&self) -> io::Result<Vec<SocketAddr>> {
        let adapters = tokio::task::spawn_blocking(ipconfig::get_adapters)
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        let mut servers = Vec::new();
        for adapter in &adapters {
            // Only those that lead somewhere.
            if adapter.oper_status() != ipconfig::OperStatus::IfOperStatusUp
                || adapter.gateways().is_empty()
            {
                continue;
            }
            for &address in adapter.dns_servers() {
                let server = SocketAddr::new(address, 53);
                if !servers.contains(&server) && servers.len() < MOST {
                    servers.push(server);
                }
            }
        }
        Ok(servers)
    }
}

/// The `nameserver` lines of a resolv.conf(5), as far as they hold an address.
#[cfg(unix)]
pub(super) fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let server = words.next().filter(|word| *word == "nameserver");
        server.and_then(|_| words.next()).and_then(with_scope)
    };
    text.lines().filter_map(address).take(MOST).collect()
}

/// `fe80::1%3` names the link by its number; a link's name would have to be asked for.
#[cfg(unix)]
fn with_scope(text: &str) -> Option<SocketAddr> {
    match text.split_once('%') {
        None => Some((text.parse::<std::net::IpAddr>().ok()?, 53).into()),
        Some((address, scope)) => {
            let address = address.parse().ok()?;
            Some(std::net::SocketAddrV6::new(address, 53, 0, scope.parse().ok()?).into())
        }
    }
}
