//! Archives of images: `docker save`'s form and OCI layouts, read and written; and what `--change` may say.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

mod changes;
mod contents;
mod docker;
mod oci;
mod read;
mod write;

pub(crate) use changes::apply as apply_changes;
pub(crate) use read::{Loadable, read};
pub(crate) use write::{ImageToSave, LayerToSave, write};
