//! Containers: one file a verb, and the record they all work on.
//!
//! Each container has one *turn*: a lock held by whoever changes it, so that two requests never change one container at
//! once. Reading never waits: the record is a snapshot behind a watch channel, and waiters are woken by its changes.
//!
//! ```text
//!            create          start             pause
//!   (none) ─────────► created ─────► running ◄────────► paused
//!                        │            │  ▲  unpause
//!                        │   its end  │  │ start
//!                 remove │            ▼  │
//!   (none) ◄─────────────┴───────── exited ◄─── restarting (waits for its policy's pause)
//! ```

pub mod attach;
pub mod changes;
pub mod create;
pub mod detach;
pub(crate) mod dirs;
mod disk;
mod files;
pub mod freezer;
pub mod health;
mod id;
pub mod inspect;
pub mod list;
pub mod logs;
pub mod moment;
mod names;
pub mod network;
pub(crate) mod notes;
pub mod prune;
mod record;
pub mod recover;
mod registry;
pub mod remove;
pub mod rename;
pub mod resize;
mod shares;
pub mod signal;
mod spec;
pub mod start;
pub mod stats;
pub mod stop;
pub mod supervise;
pub mod top;
pub mod update;
pub mod wait;

pub use id::{ContainerId, InvalidContainerId};
pub use record::{
    Definition, EndpointState, MountKind, MountPoint, Phase, PublishedPort, Record, RunState,
};
pub use registry::{Container, Containers, Turn};
pub use shares::Shares;
pub use spec::console_size;
