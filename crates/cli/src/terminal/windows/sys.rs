//! The console's modes.

use std::io;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Console::{
    GetConsoleMode, GetStdHandle, STD_HANDLE, SetConsoleMode,
};

pub use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT, ENABLE_VIRTUAL_TERMINAL_INPUT,
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};

/// One of the console's two sides, with the mode that it had.
pub struct Side {
    which: STD_HANDLE,
    before: u32,
}

impl Side {
    /// The console on standard stream `which`; none where that is no console.
    pub fn open(which: STD_HANDLE) -> Option<Side> {
        let mut before = 0;
        // SAFETY: the handle is this process's own and open, and `before` outlives the call.
        let known = unsafe { GetConsoleMode(handle(which)?, &mut before) };
        (known != 0).then_some(Side { which, before })
    }

    /// Switches `off` and `on` of the mode that it had; dropping brings that back.
    pub fn change(&self, off: u32, on: u32) -> io::Result<()> {
        self.set(self.before & !off | on)
    }

    fn set(&self, mode: u32) -> io::Result<()> {
        let handle = handle(self.which).ok_or(io::ErrorKind::NotConnected)?;
        // SAFETY: the handle is this process's own and open.
        match unsafe { SetConsoleMode(handle, mode) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // A console that has gone needs no restoring.
        let _ = self.set(self.before);
    }
}

fn handle(which: STD_HANDLE) -> Option<HANDLE> {
    // SAFETY: it only looks up what this process was started with.
    let handle = unsafe { GetStdHandle(which) };
    (!handle.is_null() && handle != INVALID_HANDLE_VALUE).then_some(handle)
}
