//! Runs real containers on the real kernel; needs root.

mod cgroup;
mod rootfs;
