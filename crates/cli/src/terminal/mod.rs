//! The person's terminal: raw mode, size, the keys that leave a container, and the session that joins it to a
//! process's streams.

pub mod detach;
pub mod session;
pub mod show;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

// One surface, two systems.
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::{HiddenInput, RawMode, ended, forward, resized, size};

use std::io::IsTerminal;

use crate::error::{CliError, Result};

/// A process that takes no notice of this many requests to end goes on without the person, as docker has it.
const ENOUGH: u32 = 3;

/// `-t` needs a terminal to read keys from; docker's words for when there is none.
pub fn check_tty(stdin: bool, tty: bool) -> Result<()> {
    if stdin && tty && !std::io::stdin().is_terminal() {
        return Err(CliError::invalid("the input device is not a TTY"));
    }
    Ok(())
}
