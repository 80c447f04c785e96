//! Sockets of this computer and user: unix sockets, named pipes on Windows.

use std::io;
use std::path::Path;

use crate::backend::Channel;

#[cfg(unix)]
mod system {
    use std::fs;
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::Channel;

    /// Listens at a socket that only its owner may use.
    pub struct Listener(tokio::net::UnixListener);

    impl Listener {
        pub fn bind(path: &Path) -> io::Result<Listener> {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = tokio::net::UnixListener::bind(path)?;
            // The folder lets nobody else in anyway; this is for those who look.
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            Ok(Listener(listener))
        }

        pub async fn accept(&mut self) -> io::Result<Channel> {
            let (stream, _) = self.0.accept().await?;
            Ok(Box::new(stream))
        }
    }

    pub async fn connect(path: &Path) -> io::Result<Channel> {
        Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::OsString;
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};

    use super::Channel;

    /// ERROR_PIPE_BUSY: all instances have a client.
    const BUSY: i32 = 231;
    const TRIES: u32 = 50;

    /// Listens at a named pipe. Its default rights let its owner and administrators write to it, others only look on.
    pub struct Listener {
        name: OsString,
        next: NamedPipeServer,
    }

    impl Listener {
        pub fn bind(path: &Path) -> io::Result<Listener> {
            let name = path.as_os_str().to_owned();
            let next = ServerOptions::new()
                .first_pipe_instance(true)
                .reject_remote_clients(true)
                .create(&name)?;
            Ok(Listener { name, next })
        }

        pub async fn accept(&mut self) -> io::Result<Channel> {
            self.next.connect().await?;
            // The next before this one is handed out: there must always be one.
            let next = ServerOptions::new()
                .reject_remote_clients(true)
                .create(&self.name)?;
            Ok(Box::new(std::mem::replace(&mut self.next, next)))
        }
    }

    pub async fn connect(path: &Path) -> io::Result<Channel> {
        let mut tries = 0;
        loop {
            match ClientOptions::new().open(path) {
                Ok(pipe) => return Ok(Box::new(pipe)),
                // Windows tells nobody when an instance becomes free.
                Err(error) if error.raw_os_error() == Some(BUSY) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Listens at a socket of this user's.
pub struct Listener(system::Listener);

impl Listener {
    /// Listens at `path`, in the place of whoever did before. The caller holds the host's lock.
    pub fn bind(path: &Path) -> io::Result<Listener> {
        system::Listener::bind(path).map(Listener)
    }

    /// The next connection.
    pub async fn accept(&mut self) -> io::Result<Channel> {
        self.0.accept().await
    }
}

/// Connects to the socket at `path`.
pub async fn connect(path: &Path) -> io::Result<Channel> {
    system::connect(path).await
}
