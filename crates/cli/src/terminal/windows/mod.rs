//! The console and its events on Windows.

mod mode;
mod signals;
mod sys;

pub use mode::{HiddenInput, RawMode, size};
pub use signals::{ended, forward, resized};
