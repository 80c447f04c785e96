//! What the engine says of itself and of the machine: version, info, disk usage.

pub mod identity;
pub mod machine;
pub mod usage;

/// What Docker calls the storage driver: how container roots are put together.
pub const STORAGE_DRIVER: &str = "overlayfs";

/// The engine's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
