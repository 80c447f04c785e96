//! Images: content store, unpacked layers, registry client and image archives.
//!
//! [`Images`] is the one door. It owns a folder:
//!
//! ```text
//! <root>/images.db        SQLite: images, tags, digests, layers
//! <root>/blobs/sha256/    the layers as they came (compressed), for `save`
//! <root>/layers/<n>/      each layer unpacked once per diff id, ready for overlayfs
//! <root>/tmp/             whatever is half-made; emptied when the store opens
//! ```
//!
//! This crate knows no container and no HTTP server: who uses an image is asked of the caller.
//! Everything that comes from outside (registries, archives, tars) is taken to be hostile.

mod archive;
mod auth;
mod digest;
mod error;
mod event;
mod flight;
mod image;
mod images;
mod layer;
mod options;
mod platform;
mod progress;
mod reference;
mod registry;
mod store;

pub use auth::Auth;
pub use digest::{Digest, ImageId, InvalidDigest};
pub use error::{ErrorKind, ImageError, InUseReason, LayerError};
pub use event::{ImageAction, ImageEvent};
pub use image::{HistoryEntry, Image, ImageUsage, Layer, Loaded, Pulled, Removed, Usage, Use};
pub use images::{Hold, Images};
pub use layer::{Unpacked, unpack};
pub use options::Options;
pub use platform::{InvalidPlatform, Platform};
pub use progress::Progress;
pub use reference::{InvalidReference, Reference};
