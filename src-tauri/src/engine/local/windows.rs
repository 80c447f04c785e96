//! Named pipes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};

use crate::engine::endpoint::TIMEOUT;

/// The scheme of such an address.
pub const SCHEME: &str = "npipe";

/// All instances of the pipe are in use: the server makes the next one at once.
const ERROR_PIPE_BUSY: i32 = 231;

/// Windows tells no program when a pipe has an instance again, unless a thread waits for it.
const AGAIN: Duration = Duration::from_millis(20);

/// Nor does it tell of a new pipe.
const LOOK: Duration = Duration::from_secs(1);

/// How long a server that doesn't make the next instance is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// The pipe that is meant by what follows the scheme: `//./pipe/name`.
pub fn path(after_scheme: &str) -> PathBuf {
    after_scheme.replace('/', "\\").into()
}

/// What follows the scheme.
pub fn shown(pipe: &Path) -> String {
    pipe.display().to_string().replace('\\', "/")
}

/// Connects to `pipe`.
pub async fn connect(pipe: &Path) -> io::Result<NamedPipeClient> {
    let opened = async {
        loop {
            match ClientOptions::new().open(pipe) {
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
    };
    tokio::time::timeout(BUSY_PATIENCE, opened).await?
}

/// A client of the engine at `pipe`; nothing is sent yet.
pub fn client(pipe: &Path) -> Result<Docker, bollard::errors::Error> {
    Docker::connect_with_named_pipe(&pipe.to_string_lossy(), TIMEOUT, API_DEFAULT_VERSION)
}

/// Waits until something listens at `pipe`. `at_once` is for one where nothing answered.
pub async fn appears(pipe: &Path, at_once: bool) -> io::Result<()> {
    if !at_once {
        tokio::time::sleep(LOOK).await;
    }
    loop {
        match ClientOptions::new().open(pipe) {
            Ok(_) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(error),
        }
    }
}
