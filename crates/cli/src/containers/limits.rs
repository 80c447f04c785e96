//! The limits that `create`, `run` and `update` set.

use clap::Args;

use crate::output::units::{parse_bytes, parse_bytes_or_unlimited};

/// CPU, memory, processes, block IO.
#[derive(Debug, Args)]
pub struct LimitFlags {
    /// Memory limit
    #[arg(short, long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory_reservation: Option<i64>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes_or_unlimited)]
    pub memory_swap: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL", value_parser = nano_cpus)]
    pub cpus: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "WEIGHT")]
    pub cpu_shares: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_quota: Option<i64>,
    /// Limit CPU real-time period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<i64>,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "CPUS")]
    pub cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "NODES")]
    pub cpuset_mems: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "COUNT")]
    pub pids_limit: Option<i64>,
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
}

/// `1.5` CPUs are 1,500,000,000 billionths.
fn nano_cpus(text: &str) -> Result<i64, String> {
    let cpus: f64 = text
        .parse()
        .map_err(|_| format!("invalid value for CPUs: {text}"))?;
    if !(0.0..1e9).contains(&cpus) {
        return Err(format!("invalid value for CPUs: {text}"));
    }
    Ok((cpus * 1e9).round() as i64)
}
