//! `GlobalMemoryStatusEx`.

use std::io;
use std::mem;

use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};

/// Bytes of memory.
pub fn memory() -> io::Result<u64> {
    // SAFETY: it is made of plain numbers, for which zero is a value.
    let mut told: MEMORYSTATUSEX = unsafe { mem::zeroed() };
    told.dwLength = mem::size_of::<MEMORYSTATUSEX>() as u32;
    // SAFETY: it points to one such structure, whose length it holds, that nobody else uses.
    if unsafe { GlobalMemoryStatusEx(&mut told) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(told.ullTotalPhys)
}
