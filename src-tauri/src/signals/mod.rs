//! How this system asks a program to end.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::asked_to_leave;
#[cfg(windows)]
pub use windows::asked_to_leave;
