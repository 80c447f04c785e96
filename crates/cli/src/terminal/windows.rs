//! Terminals of Windows, through `console`'s wrappers.

use crate::error::Result;

/// Standard input in raw mode. Windows' console passes keys through line by line until the native driver is written;
/// a program in a container still sees each line.
pub struct RawMode;

impl RawMode {
    /// None: see the type.
    pub fn enter() -> Result<Option<RawMode>> {
        Ok(None)
    }
}

/// Rows and columns of the terminal on standard output.
pub fn size() -> Option<(u16, u16)> {
    console::Term::stdout().size_checked()
}

/// Standard input without an echo, for passwords. Windows has no such switch without its console's own calls: piping
/// the password by `--password-stdin` is the way there.
pub struct HiddenInput;

impl HiddenInput {
    /// Refuses: see the type.
    pub fn begin() -> Result<HiddenInput> {
        Err(crate::error::CliError::invalid(
            "passwords can't be typed unseen here: pipe it in with --password-stdin",
        ))
    }
}
