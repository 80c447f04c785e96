//! Layers: from a compressed tar to a folder that overlayfs takes as a lower directory.
//!
//! Whiteouts become what overlayfs wants: a character device 0/0 for a removed name, `trusted.overlay.opaque` for a
//! folder that hides what is below.

mod inflate;
mod intake;
mod place;
mod remove;
mod source;
mod space;
mod tar;
mod tree;
mod unpack;

pub(crate) use inflate::{Compression, inflate};
pub(crate) use intake::{Expected, Intake, TakenIn, take_in};
pub(crate) use remove::remove_path;
pub(crate) use source::{Feed, Source, Wanted, feed, read_buffered};
pub(crate) use tar::{Entry, Kind, TarReader, tar_header};
pub(crate) use tree::printable;
pub use unpack::{Unpacked, unpack};
