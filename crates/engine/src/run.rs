//! gantryd from its flags to its end.

use std::convert::Infallible;
use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::lock::{PidFile, RootLock};
use crate::routes;
use crate::server::Socket;
use crate::state::Engine;

/// The group that may use the socket when none is named and it exists.
const DEFAULT_GROUP: &str = "docker";

/// Serves until SIGTERM or SIGINT. Containers live on.
pub async fn run(config: Config) -> Result<()> {
    let handler = |kind| signal(kind).map_err(Error::io("can't listen for signals"));
    let (mut terminate, mut interrupt, mut hangup) = (
        handler(SignalKind::terminate())?,
        handler(SignalKind::interrupt())?,
        handler(SignalKind::hangup())?,
    );
    let told_to_end = async {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                // dockerd's sign to read its configuration again must not be our end.
                _ = hangup.recv() => tracing::warn!("the configuration is read at the start only"),
            }
        }
    };

    let _data = RootLock::take(&config.data_root, 0o710)?;
    let _exec = RootLock::take(&config.exec_root, 0o711)?;
    let _pidfile = config.pidfile.as_deref().map(PidFile::write).transpose()?;
    let group = socket_group(config.group.as_deref())?;
    // Before containers are touched: a socket that can't be had ends all of it. Who calls already, waits.
    let sockets = config
        .sockets
        .iter()
        .map(|path| Socket::bind(path, group))
        .collect::<Result<Vec<_>>>()?;

    let mut listening = JoinSet::new();
    tokio::select! {
        served = serve(config, sockets, &mut listening) => match served? {},
        () = told_to_end => {}
    }
    tracing::info!("stopping; containers live on");
    listening.shutdown().await;
    Ok(())
}

/// Opens the engine and serves it for as long as this is polled.
async fn serve(
    config: Config,
    sockets: Vec<Socket>,
    listening: &mut JoinSet<()>,
) -> Result<Infallible> {
    let router = routes::router(Engine::open(config).await?);
    for socket in sockets {
        // A person, a test or the app waits for this line; it is written before the log could be asked to be quiet.
        let _ = writeln!(
            std::io::stderr(),
            "listening on unix://{}",
            socket.path().display()
        );
        let router = router.clone();
        listening.spawn(async move { socket.serve(router).await });
    }
    std::future::pending().await
}

/// The id of the socket's group. One that was asked for must exist; the default one needn't.
fn socket_group(asked: Option<&str>) -> Result<Option<u32>> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name = asked.unwrap_or(DEFAULT_GROUP);
    match group_id(&groups, name) {
        Some(id) => Ok(Some(id)),
        None if asked.is_none() => Ok(None),
        None => Err(Error::invalid(format!(
            "--group: no group `{name}` on this machine"
        ))),
    }
}

fn group_id(groups: &str, name: &str) -> Option<u32> {
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1).and_then(|id| id.parse().ok()))
            .flatten()
    });
    named.or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_name_or_number() {
        let groups = "root:x:0:\ndocker:x:998:ann,bob\n";
        assert_eq!(group_id(groups, "docker"), Some(998));
        assert_eq!(group_id(groups, "12"), Some(12));
        assert_eq!(group_id(groups, "wheel"), None);
    }
}
