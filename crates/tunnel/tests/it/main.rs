//! The tunnel over real channels.

mod endings;
mod flow;
mod hostile;
mod limits;
mod opening;
mod support;
