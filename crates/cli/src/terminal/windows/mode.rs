//! The console: raw mode, hidden input, size.

use super::sys::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT, ENABLE_VIRTUAL_TERMINAL_INPUT,
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, Side,
};
use crate::error::{CliError, Result};

/// The console in raw mode; dropping it puts it back, on a panic too.
pub struct RawMode {
    _input: Side,
    _output: Option<Side>,
}

impl RawMode {
    /// Keys pass one by one, as the sequences that a terminal sends, and output may hold a terminal's sequences; none
    /// where standard input is no console.
    pub fn enter() -> Result<Option<RawMode>> {
        let wrong = |source| CliError::Terminal {
            action: "put in raw mode",
            source,
        };
        let Some(input) = Side::open(STD_INPUT_HANDLE) else {
            return Ok(None);
        };
        let lines = ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT;
        input
            .change(lines, ENABLE_VIRTUAL_TERMINAL_INPUT)
            .map_err(wrong)?;
        let output = Side::open(STD_OUTPUT_HANDLE);
        if let Some(output) = &output {
            output
                .change(0, ENABLE_VIRTUAL_TERMINAL_PROCESSING)
                .map_err(wrong)?;
        }
        Ok(Some(RawMode {
            _input: input,
            _output: output,
        }))
    }
}

/// Standard input without an echo, for passwords; dropping it brings the echo back.
pub struct HiddenInput {
    _input: Option<Side>,
}

impl HiddenInput {
    /// Switches the echo off; nothing happens where standard input is no console.
    pub fn begin() -> Result<HiddenInput> {
        let input = Side::open(STD_INPUT_HANDLE);
        if let Some(input) = &input {
            input
                .change(ENABLE_ECHO_INPUT, 0)
                .map_err(|source| CliError::Terminal {
                    action: "kept from showing the password",
                    source,
                })?;
        }
        Ok(HiddenInput { _input: input })
    }
}

/// Rows and columns of the terminal on standard output.
pub fn size() -> Option<(u16, u16)> {
    console::Term::stdout().size_checked()
}
