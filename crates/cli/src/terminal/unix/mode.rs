//! The terminal: raw mode, hidden input, size.

use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::error::{CliError, Result};

/// Standard input in raw mode; dropping it puts the terminal back, on a panic too.
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Puts standard input's terminal in raw mode; none where it isn't a terminal.
    pub fn enter() -> Result<Option<RawMode>> {
        let stdin = std::io::stdin();
        let Ok(before) = tcgetattr(stdin.as_fd()) else {
            return Ok(None);
        };
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw).map_err(|error| {
            CliError::Terminal {
                action: "put in raw mode",
                source: error.into(),
            }
        })?;
        Ok(Some(RawMode { before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        let _ = tcsetattr(
            std::io::stdin().as_fd(),
            OptionalActions::Drain,
            &self.before,
        );
    }
}

/// Standard input without an echo, for passwords; dropping it brings the echo back.
pub struct HiddenInput {
    before: Option<Termios>,
}

impl HiddenInput {
    /// Switches the echo off; nothing happens where standard input is no terminal.
    pub fn begin() -> Result<HiddenInput> {
        let stdin = std::io::stdin();
        let Ok(before) = tcgetattr(stdin.as_fd()) else {
            return Ok(HiddenInput { before: None });
        };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin.as_fd(), OptionalActions::Flush, &hidden).map_err(|error| {
            CliError::Terminal {
                action: "kept from showing the password",
                source: error.into(),
            }
        })?;
        Ok(HiddenInput {
            before: Some(before),
        })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone needs no restoring.
            let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Drain, before);
        }
    }
}

/// Rows and columns of the terminal on standard output, or on standard input.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdout().as_fd())
        .or_else(|_| tcgetwinsize(std::io::stdin().as_fd()))
        .ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
