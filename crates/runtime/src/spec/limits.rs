//! Limits in the runtime's words.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxBlockIoBuilder, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources,
    LinuxThrottleDevice, LinuxThrottleDeviceBuilder, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType,
};

use super::{Resources, SpecError, ThrottleKind, Ulimit};

/// Microseconds: the kernel's default period.
const PERIOD: u64 = 100_000;

/// The resources of the specification, without devices.
pub(super) fn resources(limits: &Resources, cgroup_v2: bool) -> Result<LinuxResources, SpecError> {
    let mut resources = LinuxResources::default();
    resources
        .set_memory(memory(limits, cgroup_v2))
        .set_cpu(cpu(limits))
        .set_pids(pids(limits))
        .set_block_io(block_io(limits)?);
    Ok(resources)
}

fn memory(limits: &Resources, cgroup_v2: bool) -> Option<LinuxMemory> {
    let limit = limits.memory.filter(|bytes| *bytes > 0);
    // Docker: as much swap as memory, unless told otherwise.
    let swap = match (limits.memory_swap.filter(|bytes| *bytes != 0), limit) {
        // On v2 swap is limited by itself, from memory's limit: without one there is nothing to set.
        (Some(_), None) if cgroup_v2 => None,
        (Some(swap), _) => Some(swap),
        (None, Some(limit)) => Some(limit.saturating_mul(2)),
        (None, None) => None,
    };
    let reservation = limits.memory_reservation.filter(|bytes| *bytes > 0);
    let swappiness = limits
        .memory_swappiness
        .filter(|value| *value <= 100 && !cgroup_v2);
    let no_oom_killer = (limits.oom_kill_disable && !cgroup_v2).then_some(true);
    let any = limit.is_some()
        || swap.is_some()
        || reservation.is_some()
        || swappiness.is_some()
        || no_oom_killer.is_some();
    any.then(|| {
        let mut memory = LinuxMemory::default();
        memory
            .set_limit(limit)
            .set_swap(swap)
            .set_reservation(reservation)
            .set_swappiness(swappiness);
        memory.set_disable_oom_killer(no_oom_killer);
        memory
    })
}

fn cpu(limits: &Resources) -> Option<LinuxCpu> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(limits.cpu_shares.filter(|shares| *shares > 0))
        .set_period(limits.cpu_period.filter(|period| *period > 0))
        .set_quota(limits.cpu_quota.filter(|quota| *quota != 0))
        .set_realtime_runtime(limits.cpu_realtime_runtime.filter(|time| *time > 0))
        .set_realtime_period(limits.cpu_realtime_period.filter(|period| *period > 0))
        .set_cpus(text(&limits.cpuset_cpus))
        .set_mems(text(&limits.cpuset_mems));
    if let Some(nano) = limits.nano_cpus.filter(|nano| *nano > 0) {
        let quota = i128::from(nano) * i128::from(PERIOD) / 1_000_000_000;
        cpu.set_period(Some(PERIOD))
            .set_quota(i64::try_from(quota.max(1000)).ok());
    }
    (cpu != LinuxCpu::default()).then_some(cpu)
}

fn pids(limits: &Resources) -> Option<LinuxPids> {
    let limit = limits.pids_limit.filter(|limit| *limit != 0)?;
    let mut pids = LinuxPids::default();
    pids.set_limit(if limit < 0 { -1 } else { limit });
    Some(pids)
}

fn block_io(limits: &Resources) -> Result<Option<LinuxBlockIo>, SpecError> {
    if limits.blkio_weight.is_none_or(|weight| weight == 0) && limits.blkio_throttle.is_empty() {
        return Ok(None);
    }
    let oci = |error: oci_spec::OciSpecError| SpecError::Oci(error.to_string());
    let of = |kind: ThrottleKind| -> Result<Vec<LinuxThrottleDevice>, SpecError> {
        let matching = limits
            .blkio_throttle
            .iter()
            .filter(|throttle| throttle.kind == kind);
        matching
            .map(|t| {
                LinuxThrottleDeviceBuilder::default()
                    .major(t.major)
                    .minor(t.minor)
                    .rate(t.rate)
                    .build()
                    .map_err(oci)
            })
            .collect()
    };
    let mut block_io = LinuxBlockIoBuilder::default()
        .throttle_read_bps_device(of(ThrottleKind::ReadBps)?)
        .throttle_write_bps_device(of(ThrottleKind::WriteBps)?)
        .throttle_read_iops_device(of(ThrottleKind::ReadIops)?)
        .throttle_write_iops_device(of(ThrottleKind::WriteIops)?)
        .build()
        .map_err(oci)?;
    block_io.set_weight(limits.blkio_weight.filter(|weight| *weight > 0));
    Ok(Some(block_io))
}

pub(super) fn ulimits(ulimits: &[Ulimit]) -> Result<Vec<PosixRlimit>, SpecError> {
    ulimits
        .iter()
        .map(|limit| {
            let kind = kind(&limit.name).ok_or_else(|| SpecError::Ulimit(limit.name.clone()))?;
            // -1 is the kernel's "unlimited", all bits set.
            let value = |value: i64| {
                if value < 0 {
                    u64::MAX
                } else {
                    value.unsigned_abs()
                }
            };
            let builder = PosixRlimitBuilder::default()
                .typ(kind)
                .soft(value(limit.soft))
                .hard(value(limit.hard));
            builder
                .build()
                .map_err(|error| SpecError::Oci(error.to_string()))
        })
        .collect()
}

fn kind(name: &str) -> Option<PosixRlimitType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "as" => PosixRlimitType::RlimitAs,
        "core" => PosixRlimitType::RlimitCore,
        "cpu" => PosixRlimitType::RlimitCpu,
        "data" => PosixRlimitType::RlimitData,
        "fsize" => PosixRlimitType::RlimitFsize,
        "locks" => PosixRlimitType::RlimitLocks,
        "memlock" => PosixRlimitType::RlimitMemlock,
        "msgqueue" => PosixRlimitType::RlimitMsgqueue,
        "nice" => PosixRlimitType::RlimitNice,
        "nofile" => PosixRlimitType::RlimitNofile,
        "nproc" => PosixRlimitType::RlimitNproc,
        "rss" => PosixRlimitType::RlimitRss,
        "rtprio" => PosixRlimitType::RlimitRtprio,
        "rttime" => PosixRlimitType::RlimitRttime,
        "sigpending" => PosixRlimitType::RlimitSigpending,
        "stack" => PosixRlimitType::RlimitStack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_become_a_quota_and_memory_brings_swap() {
        let limits = Resources {
            nano_cpus: Some(1_500_000_000),
            memory: Some(64 << 20),
            pids_limit: Some(-5),
            ..Resources::default()
        };
        let resources = resources(&limits, false).unwrap();
        assert_eq!(resources.cpu().as_ref().unwrap().quota(), Some(150_000));
        assert_eq!(resources.memory().as_ref().unwrap().swap(), Some(128 << 20));
        assert_eq!(resources.pids().as_ref().unwrap().limit(), -1);
    }

    #[test]
    fn swap_without_memory_is_nothing_on_v2() {
        let limits = Resources {
            memory_swap: Some(-1),
            ..Resources::default()
        };
        assert_eq!(*resources(&limits, true).unwrap().memory(), None);
        let v1 = resources(&limits, false).unwrap();
        assert_eq!(v1.memory().as_ref().unwrap().swap(), Some(-1));
    }

    #[test]
    fn nothing_asked_is_nothing_set() {
        let resources = resources(&Resources::default(), false).unwrap();
        assert_eq!(resources, {
            let mut r = LinuxResources::default();
            r.set_memory(None)
                .set_cpu(None)
                .set_pids(None)
                .set_block_io(None);
            r
        });
    }

    #[test]
    fn unlimited_is_all_bits() {
        let limit = Ulimit {
            name: "core".into(),
            soft: -1,
            hard: -1,
        };
        assert_eq!(ulimits(&[limit]).unwrap()[0].soft(), u64::MAX);
        assert!(
            ulimits(&[Ulimit {
                name: "x".into(),
                soft: 1,
                hard: 1
            }])
            .is_err()
        );
    }
}
