//! The byte stream to the host, in its forms.

mod serial;
mod vsock;

use std::io;
use std::path::Path;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;

use self::serial::Serial;
use self::vsock::Vsock;
use super::settings::Channel;

/// What a session runs over.
pub trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// Where hosts come from.
pub enum Listener {
    Serial(Serial),
    Vsock(Vsock),
    Unix(UnixListener),
}

impl Listener {
    /// Opens the channel.
    pub async fn open(channel: &Channel) -> io::Result<Self> {
        match channel {
            Channel::Serial(path) => Serial::open(path).await.map(Self::Serial),
            Channel::Vsock(port) => Vsock::listen(*port).map(Self::Vsock),
            Channel::Unix(path) => bind_private(path).map(Self::Unix),
        }
    }

    /// Waits for a host.
    pub async fn next(&mut self) -> io::Result<Pin<Box<dyn Io>>> {
        Ok(match self {
            Self::Serial(serial) => Box::pin(serial.connected().await?),
            Self::Vsock(vsock) => Box::pin(vsock.accept().await?),
            Self::Unix(listener) => Box::pin(listener.accept().await?.0),
        })
    }

    /// Waits for a host that comes while another is served; a serial port has but one.
    pub async fn another(&mut self) -> io::Result<Pin<Box<dyn Io>>> {
        match self {
            Self::Serial(_) => std::future::pending().await,
            _ => self.next().await,
        }
    }
}

/// A unix socket that only its owner may use, from its first moment on. A stale one makes room.
pub fn bind_private(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The agent has a single thread, so nobody else makes files meanwhile.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound
}
