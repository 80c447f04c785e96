//! OCI spec, overlay root, shim, log files and cgroup figures of a container.
//!
//! Knows no image store, no network and no API: paths, namespaces and options come in as values.

pub mod cgroup;
pub mod client;
pub mod log;
pub mod rootfs;
pub mod runtimes;
pub mod shim;
pub mod spec;
mod sys;
