//! Flags that several verbs share.

pub mod confirm;
pub mod filter;
pub mod format;
pub mod targets;
