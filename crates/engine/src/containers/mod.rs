//! Containers: one file a verb, and the record they all work on.
//!
//! Each container has one *turn*: a lock held by whoever changes it, so that two requests never change one container at
//! once. Reading never waits: the record is a snapshot behind a watch channel, and waiters are woken by its changes.

mod id;
mod record;
mod registry;

pub use id::{ContainerId, InvalidContainerId};
pub use record::{
    Definition, EndpointState, MountKind, MountPoint, Phase, PublishedPort, Record, RunState,
};
pub use registry::{Container, Containers, Turn};
