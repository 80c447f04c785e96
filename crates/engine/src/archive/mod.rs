//! Copying files in and out of containers (`docker cp`, `docker export`), and filling volumes.
//!
//! A container's file system is hostile: its links, devices and races must never lead to the host's files. So nothing
//! here ever walks a container's path with the host's own rules. A [`View`](view::View) builds the container's root
//! (overlay, volumes, binds) in a mount namespace of a thread of its own; a [`Root`](root::Root) resolves every path
//! with `openat2(RESOLVE_IN_ROOT)`; a view's mounts are `nodev`, so that opening a file that turned into a device meanwhile
//! does nothing; [`place`] makes new files without following anything. What comes in is a tar of any origin: sizes, counts and
//! depths are bounded in [`entries`].
//!
//! A view dies with its thread, so a killed engine leaves nothing mounted.

pub mod container;
mod decompress;
pub mod entries;
mod error;
pub mod node;
pub mod pack;
pub mod place;
pub mod root;
pub mod stat;
mod sys;
#[cfg(test)]
mod tests;
pub mod unpack;
pub mod view;
pub mod walk;

pub use error::ArchiveError;
pub(crate) use error::At;
