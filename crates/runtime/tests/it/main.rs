//! Runs real containers on the real kernel; needs root.

mod cgroup;
mod ground;
mod lifecycle;
mod rootfs;
