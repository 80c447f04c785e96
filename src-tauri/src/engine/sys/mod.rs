//! Waiting for a change of a file or a folder by the kernel's word.
//!
//! Each system has its own `PathWatch`: `new` begins to watch, `changed` waits. Named pipes are in no
//! folder that can be watched.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::PathWatch;
#[cfg(target_os = "macos")]
pub use macos::PathWatch;
#[cfg(windows)]
pub use windows::PathWatch;
