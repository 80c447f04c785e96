//! Opens the byte stream to an endpoint.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::endpoint::Endpoint;

/// Any byte stream that HTTP can run over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to `endpoint`.
pub async fn open(endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Unix(path) => unix(path).await,
        Endpoint::Tcp(address) => {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        Endpoint::Pipe(name) => pipe(name).await,
    }
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn unix(_path: &std::path::Path) -> io::Result<Box<dyn Stream>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no unix sockets; use npipe:// or tcp://",
    ))
}

#[cfg(windows)]
async fn pipe(name: &str) -> io::Result<Box<dyn Stream>> {
    /// All instances of the pipe are in use: the server makes the next one at once. Windows tells no program when,
    /// unless a thread waits for it.
    const ERROR_PIPE_BUSY: i32 = 231;
    const AGAIN: std::time::Duration = std::time::Duration::from_millis(20);
    loop {
        match tokio::net::windows::named_pipe::ClientOptions::new().open(name) {
            Ok(client) => return Ok(Box::new(client)),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(not(windows))]
async fn pipe(_name: &str) -> io::Result<Box<dyn Stream>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "named pipes exist on Windows only; use unix:// or tcp://",
    ))
}
