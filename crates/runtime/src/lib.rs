//! OCI spec, overlay root, shim, log files and cgroup figures of a container.
//!
//! Knows no image store, no network and no API: paths, namespaces and options come in as values.
//!
//! ```text
//! engine ── shim::start ──► gantry-shim (one a container, outlives the engine)
//!        ── ShimClient  ──► shim.sock      ├─► libcontainer (linked in) │ runc │ crun …
//!        ◄── exit.json, log/ ──────────────┘
//! ```

pub mod cgroup;
pub mod client;
mod dirs;
mod exit;
mod host;
pub mod log;
pub mod rootfs;
pub mod runtimes;
pub mod shim;
pub mod spec;
mod sys;

pub use client::{AttachOptions, AttachStream, ClientError, ExecSpec, ExecStarted, ShimClient};
pub use dirs::Dirs;
pub use exit::Exit;
pub use host::{Host, HostError};
pub use runtimes::{Runtime, Runtimes, RuntimesError};
pub use shim::{StartError, StartRequest, Started};
pub use spec::ContainerSpec;
