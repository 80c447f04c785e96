//! Limits: checked as Docker checks them, and turned into the runtime's.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use gantry_api::models::{HostConfig, ThrottleDevice};
use gantry_runtime::spec::{BlkioThrottle, Resources, ThrottleKind};

use crate::error::{Error, Result};

/// Least memory a container can be limited to, in bytes.
const LEAST_MEMORY: i64 = 6 << 20;

/// Checks the limits among the fields of `host`.
pub fn check(host: &HostConfig) -> Result<()> {
    let invalid = |text: &str| Err(Error::invalid(text));
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    for (what, value) in [
        ("memory", host.memory),
        ("memory reservation", host.memory_reservation),
        ("CPU shares", host.cpu_shares),
        ("NanoCPUs", host.nano_cpus),
        ("CPU period", host.cpu_period),
    ] {
        if value.is_some_and(|value| value < 0) {
            return Err(Error::invalid(format!(
                "the limit of {what} can't be negative"
            )));
        }
    }
    if set(host.memory).is_some_and(|bytes| bytes < LEAST_MEMORY) {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if let Some(swap) = set(host.memory_swap) {
        if swap < -1 {
            return invalid("the limit of memory and swap can't be less than -1");
        }
        match set(host.memory) {
            None if swap > 0 => {
                return invalid(
                    "You should always set the Memory limit when using Memoryswap limit, see usage",
                );
            }
            Some(memory) if swap > 0 && swap < memory => {
                return invalid(
                    "Minimum memoryswap limit should be larger than memory limit, see usage",
                );
            }
            _ => {}
        }
    }
    if host
        .memory_swappiness
        .is_some_and(|value| value != -1 && !(0..=100).contains(&value))
    {
        return invalid("Invalid value for memory swappiness, valid range is 0-100");
    }
    if let Some(reservation) = set(host.memory_reservation) {
        if reservation < LEAST_MEMORY {
            return invalid("Minimum memory reservation allowed is 6MB");
        }
        if set(host.memory).is_some_and(|memory| memory < reservation) {
            return invalid(
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            );
        }
    }
    if let Some(nano) = set(host.nano_cpus) {
        if set(host.cpu_period).is_some() {
            return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
        }
        if set(host.cpu_quota).is_some() {
            return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
        }
        let cpus =
            i64::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
        if !(10_000_000..=cpus.saturating_mul(1_000_000_000)).contains(&nano) {
            return Err(Error::invalid(format!(
                "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            )));
        }
    }
    if set(host.cpu_period).is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if set(host.cpu_quota).is_some_and(|quota| quota > 0 && quota < 1000) {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    for (what, text) in [
        ("cpuset cpus", &host.cpuset_cpus),
        ("cpuset mems", &host.cpuset_mems),
    ] {
        if let Some(text) = text.as_deref().filter(|text| !is_set(text)) {
            return Err(Error::invalid(format!(
                "Invalid value {} for {what}",
                text.escape_debug()
            )));
        }
    }
    if host
        .blkio_weight
        .is_some_and(|weight| weight != 0 && !(10..=1000).contains(&weight))
    {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    if host
        .blkio_weight_device
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        return Err(Error::unsupported(
            "block I/O weights by device are not supported",
        ));
    }
    for (what, value) in [
        ("CpuCount", host.cpu_count),
        ("CpuPercent", host.cpu_percent),
        ("IOMaximumIOps", host.io_maximum_iops),
        ("IOMaximumBandwidth", host.io_maximum_bandwidth),
    ] {
        if set(value).is_some() {
            return Err(Error::invalid(format!(
                "{what} is for Windows containers only"
            )));
        }
    }
    throttles(host)?;
    Ok(())
}

/// Refuses what cgroup v2 can't do and Docker refuses as well.
pub fn check_possible(host: &HostConfig, cgroup_v2: bool) -> Result<()> {
    let realtime = [host.cpu_realtime_period, host.cpu_realtime_runtime];
    if cgroup_v2 && realtime.iter().flatten().any(|time| *time != 0) {
        return Err(Error::invalid(
            "kernel does not support CPU real-time scheduler",
        ));
    }
    Ok(())
}

/// Takes out what cgroup v2 has no counterpart for, as Docker does; what a person should know of it.
pub fn discard_missing(host: &mut HostConfig, cgroup_v2: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !cgroup_v2 {
        return warnings;
    }
    if host
        .memory_swappiness
        .take()
        .is_some_and(|value| value >= 0)
    {
        warnings.push(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded."
                .to_owned(),
        );
    }
    if host.oom_kill_disable.take() == Some(true) {
        warnings.push(
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.".to_owned(),
        );
    }
    warnings
}

/// `0-3,5`, or nothing.
fn is_set(text: &str) -> bool {
    let number = |part: &str| part.parse::<u16>().ok().filter(|_| !part.starts_with('+'));
    text.is_empty()
        || text.split(',').all(|part| match part.split_once('-') {
            Some((first, last)) => {
                matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last)
            }
            None => number(part).is_some(),
        })
}

/// The limits as the runtime takes them.
pub fn to_runtime(host: &HostConfig) -> Result<Resources> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let positive = |value: Option<i64>| {
        value
            .and_then(|value| u64::try_from(value).ok())
            .filter(|value| *value != 0)
    };
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(Resources {
        memory: set(host.memory),
        memory_swap: set(host.memory_swap),
        memory_reservation: set(host.memory_reservation),
        memory_swappiness: host
            .memory_swappiness
            .and_then(|value| u64::try_from(value).ok()),
        oom_kill_disable: host.oom_kill_disable == Some(true),
        nano_cpus: set(host.nano_cpus),
        cpu_shares: positive(host.cpu_shares),
        cpu_period: positive(host.cpu_period),
        cpu_quota: set(host.cpu_quota),
        cpu_realtime_runtime: set(host.cpu_realtime_runtime),
        cpu_realtime_period: positive(host.cpu_realtime_period),
        cpuset_cpus: text(&host.cpuset_cpus),
        cpuset_mems: text(&host.cpuset_mems),
        pids_limit: set(host.pids_limit),
        blkio_weight: host.blkio_weight.filter(|weight| *weight != 0),
        blkio_throttle: throttles(host)?,
    })
}

fn throttles(host: &HostConfig) -> Result<Vec<BlkioThrottle>> {
    let mut throttles = Vec::new();
    for (kind, list) in [
        (ThrottleKind::ReadBps, &host.blkio_device_read_bps),
        (ThrottleKind::WriteBps, &host.blkio_device_write_bps),
        (ThrottleKind::ReadIops, &host.blkio_device_read_iops),
        (ThrottleKind::WriteIops, &host.blkio_device_write_iops),
    ] {
        for device in list.iter().flatten() {
            throttles.push(throttle(kind, device)?);
        }
    }
    Ok(throttles)
}

fn throttle(kind: ThrottleKind, device: &ThrottleDevice) -> Result<BlkioThrottle> {
    let path = device.path.as_deref().unwrap_or_default();
    let refused = |why: &str| {
        Error::invalid(format!(
            "can't throttle device {}: {why}",
            path.escape_debug()
        ))
    };
    let found = std::fs::metadata(path).map_err(|error| refused(&error.to_string()))?;
    if !found.file_type().is_block_device() {
        return Err(refused("it is no block device"));
    }
    let rate = device
        .rate
        .and_then(|rate| u64::try_from(rate).ok())
        .ok_or_else(|| refused("the rate is negative or missing"))?;
    Ok(BlkioThrottle {
        kind,
        major: i64::from(rustix::fs::major(found.rdev())),
        minor: i64::from(rustix::fs::minor(found.rdev())),
        rate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused() {
        let wrong: &[fn(&mut HostConfig)] = &[
            |h| h.memory = Some(1024),
            |h| h.memory = Some(-1),
            |h| h.memory_swap = Some(1 << 30),
            |h| (h.memory, h.memory_swap) = (Some(1 << 30), Some(1 << 20)),
            |h| h.memory_swappiness = Some(101),
            |h| h.nano_cpus = Some(1),
            |h| h.nano_cpus = Some(i64::MAX),
            |h| (h.nano_cpus, h.cpu_quota) = (Some(1_000_000_000), Some(1000)),
            |h| h.cpu_period = Some(999),
            |h| h.cpu_quota = Some(999),
            |h| h.cpuset_cpus = Some("3-1".to_owned()),
            |h| h.cpuset_mems = Some("x".to_owned()),
            |h| h.blkio_weight = Some(5),
            |h| h.cpu_count = Some(2),
            |h| {
                h.blkio_device_read_bps = Some(vec![ThrottleDevice {
                    path: Some("/dev/null".to_owned()),
                    rate: Some(1),
                }]);
            },
        ];
        for (n, change) in wrong.iter().enumerate() {
            let mut host = HostConfig::default();
            change(&mut host);
            assert!(check(&host).is_err(), "case {n}");
        }
    }

    #[test]
    fn what_v2_has_not_is_discarded_with_a_word() {
        let asked = HostConfig {
            memory_swappiness: Some(10),
            oom_kill_disable: Some(true),
            ..HostConfig::default()
        };
        let mut host = asked.clone();
        assert_eq!(discard_missing(&mut host, false), [""; 0]);
        assert_eq!(host, asked);
        assert_eq!(discard_missing(&mut host, true).len(), 2);
        assert_eq!(host, HostConfig::default());
        host.memory_swappiness = Some(-1);
        assert_eq!(discard_missing(&mut host, true), [""; 0]);
    }

    #[test]
    fn a_client_s_zeroes_are_no_limits() {
        let host = HostConfig {
            memory: Some(0),
            memory_swappiness: Some(-1),
            pids_limit: Some(0),
            cpuset_cpus: Some(String::new()),
            blkio_weight: Some(0),
            ..HostConfig::default()
        };
        check(&host).unwrap();
        assert_eq!(to_runtime(&host).unwrap(), Resources::default());
    }
}
