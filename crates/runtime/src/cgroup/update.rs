//! Changing a running container's limits.

use std::fs;
use std::path::Path;

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuset::CpuSetController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;

use super::{Cgroup, CgroupError, Controller, no_root, refused};
use crate::spec::{Resources, ThrottleKind};

/// Microseconds of the period that `--cpus` is measured in.
const CPUS_PERIOD: u64 = 100_000;

impl Cgroup {
    /// Sets the limits that are given and leaves the others. Stops at the first that the kernel refuses.
    ///
    /// # Errors
    /// [`CgroupError::Refused`] with the limit's name and the kernel's reason; [`CgroupError::Missing`] for a limit
    /// that this kernel doesn't have; [`CgroupError::Gone`].
    pub fn update(&self, limits: &Resources) -> Result<(), CgroupError> {
        self.main_folder()?;
        self.update_cpu(limits)?;
        self.update_cpuset(limits)?;
        self.update_memory(limits)?;
        self.update_pids(limits)?;
        self.update_block(limits)
    }

    fn update_cpu(&self, limits: &Resources) -> Result<(), CgroupError> {
        let (mut quota, mut period) = (
            limits.cpu_quota.filter(|quota| *quota != 0),
            limits.cpu_period.filter(|p| *p > 0),
        );
        if let Some(nano) = limits.nano_cpus.filter(|nano| *nano > 0) {
            quota = Some(nano / 10_000);
            period = Some(CPUS_PERIOD);
        }
        let shares = limits.cpu_shares.filter(|shares| *shares > 0);
        let realtime = (limits.cpu_realtime_runtime, limits.cpu_realtime_period);
        if shares.is_none() && quota.is_none() && period.is_none() && realtime == (None, None) {
            return Ok(());
        }
        let folder = self.folder(Controller::Cpu)?;
        let cpu = CpuController::new(folder.clone(), no_root(), self.is_unified());
        if let Some(shares) = shares {
            let value = if self.is_unified() {
                weight(shares)
            } else {
                shares
            };
            cpu.set_shares(value)
                .map_err(|error| refused("cpu shares", shares, &folder, error))?;
        }
        if self.is_unified() {
            if quota.is_some() || period.is_some() {
                let value = format!("{quota:?} of {period:?}");
                cpu.set_cfs_quota_and_period(quota, period)
                    .map_err(|error| refused("cpu quota", value, &folder, error))?;
            }
        } else {
            set_quota_v1(&cpu, &folder, quota, period)?;
        }
        if let Some(period) = realtime.1.filter(|period| *period > 0) {
            cpu.set_rt_period_us(period)
                .map_err(|error| refused("cpu real-time period", period, &folder, error))?;
        }
        if let Some(runtime) = realtime.0.filter(|runtime| *runtime != 0) {
            cpu.set_rt_runtime(runtime)
                .map_err(|error| refused("cpu real-time runtime", runtime, &folder, error))?;
        }
        Ok(())
    }

    fn update_cpuset(&self, limits: &Resources) -> Result<(), CgroupError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (cpus, mems) = (given(&limits.cpuset_cpus), given(&limits.cpuset_mems));
        if cpus.is_none() && mems.is_none() {
            return Ok(());
        }
        let folder = self.folder(Controller::CpuSet)?;
        let cpuset = CpuSetController::new(folder.clone(), no_root(), self.is_unified());
        if let Some(cpus) = cpus {
            cpuset
                .set_cpus(&cpus)
                .map_err(|error| refused("cpuset cpus", cpus, &folder, error))?;
        }
        if let Some(mems) = mems {
            cpuset
                .set_mems(&mems)
                .map_err(|error| refused("cpuset mems", mems, &folder, error))?;
        }
        Ok(())
    }

    fn update_memory(&self, limits: &Resources) -> Result<(), CgroupError> {
        let (memory, both) = (
            limits.memory.filter(|l| *l != 0),
            limits.memory_swap.filter(|l| *l != 0),
        );
        let soft = limits.memory_reservation.filter(|l| *l != 0);
        if memory.is_none() && both.is_none() && soft.is_none() {
            return Ok(());
        }
        let folder = self.folder(Controller::Memory)?;
        let controller = MemController::new(folder.clone(), no_root(), self.is_unified());
        let set_memory = || match memory {
            Some(limit) => controller
                .set_limit(limit)
                .map_err(|error| refused("memory limit", limit, &folder, error)),
            None => Ok(()),
        };
        let set_both = || {
            let Some(both) = both else { return Ok(()) };
            let value = if self.is_unified() {
                self.swap_alone(both, memory, &folder)?
            } else {
                both
            };
            controller
                .set_memswap_limit(value)
                .map_err(|error| refused("memory and swap limit", both, &folder, error))
        };
        // On v1 memory may at no moment be more than memory and swap together.
        let grows = !self.is_unified()
            && both.is_some_and(|both| both == -1 || both >= controller.memswap().limit_in_bytes);
        if grows {
            set_both().and_then(|()| set_memory())?;
        } else {
            set_memory().and_then(|()| set_both())?;
        }
        if let Some(soft) = soft {
            controller
                .set_soft_limit(soft)
                .map_err(|error| refused("memory reservation", soft, &folder, error))?;
        }
        Ok(())
    }

    /// v2 limits swap by itself; Docker's figure is memory and swap together.
    fn swap_alone(
        &self,
        both: i64,
        memory: Option<i64>,
        folder: &Path,
    ) -> Result<i64, CgroupError> {
        if both == -1 {
            return Ok(-1);
        }
        let controller = MemController::new(folder.to_owned(), no_root(), true);
        let memory = memory.unwrap_or_else(|| controller.memory_stat().limit_in_bytes);
        if memory == -1 || memory > both {
            let error = std::io::Error::from_raw_os_error(libc::EINVAL);
            return Err(refused("memory and swap limit", both, folder, error));
        }
        Ok(both - memory)
    }

    fn update_pids(&self, limits: &Resources) -> Result<(), CgroupError> {
        let Some(limit) = limits.pids_limit.filter(|limit| *limit != 0) else {
            return Ok(());
        };
        let folder = self.folder(Controller::Pids)?;
        let value = if limit < 0 {
            MaxValue::Max
        } else {
            MaxValue::Value(limit)
        };
        PidController::new(folder.clone(), no_root(), self.is_unified())
            .set_pid_max(value)
            .map_err(|error| refused("pids limit", limit, &folder, error))
    }

    fn update_block(&self, limits: &Resources) -> Result<(), CgroupError> {
        let weight = limits.blkio_weight.filter(|weight| *weight > 0);
        if weight.is_none() && limits.blkio_throttle.is_empty() {
            return Ok(());
        }
        let folder = self.folder(Controller::Block)?;
        if let Some(weight) = weight {
            let files: [(&str, u64); 2] = if self.is_unified() {
                [
                    ("io.bfq.weight", weight.into()),
                    ("io.weight", io_weight(weight)),
                ]
            } else {
                [
                    ("blkio.bfq.weight", weight.into()),
                    ("blkio.weight", weight.into()),
                ]
            };
            let (file, value) = files
                .into_iter()
                .map(|(name, value)| (folder.join(name), value))
                .find(|(path, _)| path.exists())
                .ok_or(CgroupError::Missing("blkio weight"))?;
            fs::write(&file, value.to_string())
                .map_err(|error| refused("blkio weight", weight, &folder, error))?;
        }
        for throttle in &limits.blkio_throttle {
            let (v1, v2) = match throttle.kind {
                ThrottleKind::ReadBps => ("blkio.throttle.read_bps_device", "rbps"),
                ThrottleKind::WriteBps => ("blkio.throttle.write_bps_device", "wbps"),
                ThrottleKind::ReadIops => ("blkio.throttle.read_iops_device", "riops"),
                ThrottleKind::WriteIops => ("blkio.throttle.write_iops_device", "wiops"),
            };
            let device = format!("{}:{}", throttle.major, throttle.minor);
            let (file, value) = if self.is_unified() {
                ("io.max", format!("{device} {v2}={}", throttle.rate))
            } else {
                (v1, format!("{device} {}", throttle.rate))
            };
            fs::write(folder.join(file), &value)
                .map_err(|error| refused("blkio throttle", value, &folder, error))?;
        }
        Ok(())
    }
}

/// The kernel compares quota and period at each write; which one may go first depends on both old and new.
fn set_quota_v1(
    cpu: &CpuController,
    folder: &Path,
    quota: Option<i64>,
    period: Option<u64>,
) -> Result<(), CgroupError> {
    let set_quota = || match quota {
        Some(quota) => cpu
            .set_cfs_quota(quota)
            .map_err(|error| refused("cpu quota", quota, folder, error)),
        None => Ok(()),
    };
    let set_period = || match period {
        Some(period) => cpu
            .set_cfs_period(period)
            .map_err(|error| refused("cpu period", period, folder, error)),
        None => Ok(()),
    };
    match set_period() {
        Ok(()) => set_quota(),
        Err(_) => set_quota().and_then(|()| set_period()),
    }
}

/// Docker's weight of block I/O (10 to 1000) as one of v2 (1 to 10000), on the line that runc draws.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

/// Shares of v1 (2 to 262144, usually 1024) as a weight of v2 (1 to 10000, usually 100): the curve that libcontainer
/// draws, as runc, so that an update and a start give the same.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the curve runs from 1 to 10000 over its whole range"
)]
pub(super) fn weight(shares: u64) -> u64 {
    let exponent = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (exponent * exponent + 125.0 * exponent) / 612.0 - 7.0 / 34.0;
    (10f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
}
