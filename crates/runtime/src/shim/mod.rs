//! The shim: one small process a container, which outlives the engine.
//!
//! It owns the container's stdio, writes its log, reaps it, writes `exit.json` and only then tells anyone; it leaves
//! when the exit is on disk and everyone attached has got the last byte.

mod builtin;
mod connection;
mod device_filter;
mod engine;
mod enter;
mod external;
mod filter;
mod finish;
mod orphan;
mod prepare;
mod privileges;
mod process;
mod program;
mod request;
mod requests;
mod run;
mod seal;
mod server;
mod start;
mod stdio;
pub(crate) mod wire;
mod worker;

pub use orphan::reap_orphan;
pub use request::{StartRequest, Started};
pub use run::main;
pub use start::{StartError, start};
