//! The agent as a process, with a host's end of the tunnel that the tests play.

mod calls;
mod claims;
mod dns;
mod relay;
mod sessions;
mod shell;
mod support;
