//! Unix sockets.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::net::UnixStream;

use crate::engine::endpoint::TIMEOUT;
use crate::engine::sys::PathWatch;

/// The scheme of such an address.
pub const SCHEME: &str = "unix";

/// The socket that is meant by what follows the scheme.
pub fn path(after_scheme: &str) -> PathBuf {
    after_scheme.into()
}

/// What follows the scheme.
pub fn shown(socket: &Path) -> String {
    socket.display().to_string()
}

/// Connects to `socket`.
pub async fn connect(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

/// A client of the engine at `socket`; nothing is sent yet.
pub fn client(socket: &Path) -> Result<Docker, bollard::errors::Error> {
    Docker::connect_with_unix(&socket.to_string_lossy(), TIMEOUT, API_DEFAULT_VERSION)
}

/// Waits until something listens at `socket`. `at_once` is for one where nothing answered: what listens by now has
/// come since.
pub async fn appears(socket: &Path, mut at_once: bool) -> io::Result<()> {
    loop {
        let folder = nearest_folder(socket);
        let watch = PathWatch::new(&folder)?;
        // The folder may have come between the look and the watch, and so may the socket.
        if nearest_folder(socket) != folder {
            continue;
        }
        if at_once && listens(socket).await {
            return Ok(());
        }
        watch.changed().await?;
        at_once = true;
    }
}

/// The kernel tells of bind(2), not of listen(2) a moment later.
async fn listens(socket: &Path) -> bool {
    for _ in 0..20 {
        match UnixStream::connect(socket).await {
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => break,
        }
    }
    false
}

fn nearest_folder(socket: &Path) -> PathBuf {
    socket
        .ancestors()
        .skip(1)
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_noticed_when_it_appears_in_a_folder_that_did_not_exist() {
        let folder = tempfile::tempdir().expect("folder");
        let socket = folder.path().join("run/gantry.sock");
        let waiting = appears(&socket, true);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        std::fs::create_dir(folder.path().join("run")).expect("folder");
        assert!(futures::poll!(&mut waiting).is_pending());
        let _listener = UnixListener::bind(&socket).expect("socket");
        in_time(waiting).await.expect("watched");
    }

    #[tokio::test]
    async fn a_socket_that_came_before_the_watch_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let socket = folder.path().join("gantry.sock");
        let _listener = UnixListener::bind(&socket).expect("socket");
        in_time(appears(&socket, true)).await.expect("watched");
        // What answers wrongly is not asked again before something changes.
        let waiting = appears(&socket, false);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        std::fs::write(folder.path().join("change"), "").expect("file");
        in_time(waiting).await.expect("watched");
    }

    async fn in_time<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(60), work)
            .await
            .expect("in time")
    }
}
