//! What the engine says of itself and of the machine: what it is and what it runs on.

pub mod descriptors;
pub mod identity;
pub mod machine;

/// What Docker calls the storage driver: how container roots are put together.
pub const STORAGE_DRIVER: &str = "overlayfs";

/// The engine's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
