//! gantryd: the container engine behind the Docker Engine API.
//!
//! `routes/` is the only place that knows HTTP: it parses and validates a request into a typed command and converts the
//! answer. Everything else takes commands and returns values or an [`error::Error`]. The engine passes values between
//! the lower crates (image store, runtime, network), which don't know each other.

pub mod archive;
pub mod config;
pub mod containers;
pub mod error;
pub mod events;
pub mod exec;
pub mod images;
pub mod lent;
pub mod lock;
pub mod routes;
pub mod run;
pub mod server;
pub mod state;
pub mod store;
pub mod system;
pub mod volumes;
