//! What is kept: the catalogue in memory, the database behind it, and the files.
//!
//! The catalogue is what everyone reads. A change goes to the database first, in one transaction, then to the
//! catalogue; one change at a time (the *turn*). Files are made in `tmp/` and moved to their place inside the
//! transaction; what a crash leaves without a row is removed when the store opens.

mod catalog;
mod change;
mod config;
mod database;
mod files;
mod keep;
mod repair;

pub(crate) use catalog::{Catalog, LayerRow, is_id_prefix};
pub(crate) use change::{Change, Fresh, NewImage};
pub(crate) use config::{MAX_CONFIG, ParsedConfig, labels, time_of};
pub(crate) use database::Database;
pub(crate) use files::Files;
pub(crate) use keep::{ImageHold, Keep, Leaving, Pin};
pub(crate) use repair::open;
