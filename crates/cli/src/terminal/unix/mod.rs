//! Terminals and signals of unix systems.

mod mode;
mod signals;

pub use mode::{HiddenInput, RawMode, size};
pub use signals::{ended, forward, resized};
