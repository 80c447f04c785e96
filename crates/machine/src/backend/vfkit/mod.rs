//! vfkit: macOS' Virtualization framework by a program. Never run by us: written after its documentation.
//!
//! The guest's agent listens at a vsock port, which vfkit offers as a unix socket. vfkit's HTTP control, on another unix
//! socket, pauses, resumes and ends. Its memory comes back by the framework's own means; there is no balloon to steer.

mod command;
mod rest;
#[cfg(unix)]
mod vm;

pub use command::{Found, command_line};
pub use rest::{RestState, accepted, state, state_request, state_wish};
#[cfg(unix)]
pub use vm::{Vfkit, VfkitVm};
