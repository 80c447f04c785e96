//! Runs real containers on the real kernel; needs root.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod attach;
mod cgroup;
mod confinement;
mod exec;
mod ground;
mod init;
mod lifecycle;
mod limits;
mod orphan;
mod rootfs;
mod runtimes;
mod terminal;
