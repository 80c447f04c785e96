//! Limits of a container, in Docker's units.

use serde::{Deserialize, Serialize};

/// Limits; `None` leaves the kernel's default (or, in an update, the present value).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 is unlimited swap; none with a memory limit is twice the memory.
    pub memory_swap: Option<i64>,
    /// Soft limit in bytes.
    pub memory_reservation: Option<i64>,
    /// 0 to 100 (cgroup v1 only).
    pub memory_swappiness: Option<u64>,
    /// `--oom-kill-disable` (cgroup v1 only).
    pub oom_kill_disable: bool,
    /// CPU time in units of 10⁻⁹ of a CPU (`--cpus` times 10⁹); excludes quota and period.
    pub nano_cpus: Option<i64>,
    /// Relative weight, 1024 by default (2 to 262144).
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds in each period; -1 is unlimited.
    pub cpu_quota: Option<i64>,
    /// Microseconds of real-time scheduling in each real-time period (cgroup v1 only).
    pub cpu_realtime_runtime: Option<i64>,
    /// Microseconds (cgroup v1 only).
    pub cpu_realtime_period: Option<u64>,
    /// `0-3,5`.
    pub cpuset_cpus: Option<String>,
    /// `0-1`.
    pub cpuset_mems: Option<String>,
    /// Processes and threads; -1 is unlimited.
    pub pids_limit: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Throttles by device.
    pub blkio_throttle: Vec<BlkioThrottle>,
}

/// A bound on one device's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlkioThrottle {
    /// What is bounded.
    pub kind: ThrottleKind,
    /// Device number.
    pub major: i64,
    /// Device number.
    pub minor: i64,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// What a [`BlkioThrottle`] bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleKind {
    /// Bytes read.
    ReadBps,
    /// Bytes written.
    WriteBps,
    /// Read operations.
    ReadIops,
    /// Write operations.
    WriteIops,
}
