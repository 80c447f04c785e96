//! `gantryd` on this system itself, without a machine. Linux.

mod group;
pub mod launch;
