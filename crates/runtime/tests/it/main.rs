//! Runs real containers on the real kernel; needs root.

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
