//! The person's terminal: raw mode, size, the keys that leave a container, and the session that joins it to a
//! process's streams.

pub mod detach;
pub mod session;
mod signals;

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub use signals::{ended, forward, resized};
pub use system::{HiddenInput, RawMode, size};

use std::io::IsTerminal;

use crate::error::{CliError, Result};

/// `-t` needs a terminal to read keys from; docker's words for when there is none.
pub fn check_tty(stdin: bool, tty: bool) -> Result<()> {
    if stdin && tty && !std::io::stdin().is_terminal() {
        return Err(CliError::invalid("the input device is not a TTY"));
    }
    Ok(())
}
