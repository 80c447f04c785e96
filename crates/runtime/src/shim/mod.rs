//! The shim: one small process a container, which outlives the engine.
//!
//! It owns the container's stdio, writes its log, reaps it, writes `exit.json` and only then tells anyone; it leaves
//! when the exit is on disk and everyone attached has got the last byte.

mod request;
mod start;

pub use request::{StartRequest, Started};
pub use start::{StartError, reap_orphan, start};
