//! What a container uses.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuacct::CpuAcctController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;

use super::block::{self, BlockCount};
use super::flat::{is_gone, keyed, read, read_keyed};
use super::{Cgroup, CgroupError, Controller, no_root};

/// One look at a container's use of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processor time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Bytes by device and operation.
    pub block_bytes: Vec<BlockCount>,
    /// Operations by device and operation.
    pub block_operations: Vec<BlockCount>,
}

/// Processor time since the container's group was made, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    /// All of it.
    pub total: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// By processor (cgroup v1 only).
    pub per_cpu: Vec<u64>,
    /// Periods of the bandwidth limit that have passed.
    pub periods: u64,
    /// Periods in which the container was throttled.
    pub throttled_periods: u64,
    /// Time for which it was throttled.
    pub throttled: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// In use, page cache included.
    pub usage: u64,
    /// Most that was ever in use; none where the kernel doesn't count it.
    pub max_usage: Option<u64>,
    /// The limit, or the machine's memory where that is less.
    pub limit: u64,
    /// How often the limit was hit (cgroup v1 only).
    pub failures: u64,
    /// The kernel's `memory.stat`, by its own names.
    pub stats: BTreeMap<String, u64>,
}

impl Memory {
    /// Page cache that could be dropped at once; the docker CLI takes it off the usage.
    #[must_use]
    pub fn inactive_file(&self) -> u64 {
        ["total_inactive_file", "inactive_file"]
            .iter()
            .find_map(|name| self.stats.get(*name))
            .copied()
            .unwrap_or(0)
    }
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pids {
    /// How many there are.
    pub current: u64,
    /// How many there may be; none is unlimited.
    pub limit: Option<u64>,
}

impl Cgroup {
    /// Reads all figures. A controller that the kernel lacks has none (zeroes).
    ///
    /// # Errors
    /// [`CgroupError::Gone`] where the container has no group (any more).
    pub fn figures(&self) -> Result<Figures, CgroupError> {
        self.main_folder()?;
        let (block_bytes, block_operations) = self.block()?;
        let figures = Figures {
            cpu: self.cpu()?,
            memory: self.memory()?,
            pids: self.pid_figures(),
            block_bytes,
            block_operations,
        };
        // `cgroups-rs` gives zeroes for what it can't read: a container that ended meanwhile has no figures.
        self.main_folder()?;
        Ok(figures)
    }

    /// How often the kernel killed a process of the group because its memory was used up.
    ///
    /// # Errors
    /// [`CgroupError::Gone`] where there is no group.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let file = if self.is_unified() {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let path = self.folder(Controller::Memory)?.join(file);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(keyed(&text).get("oom_kill").copied().unwrap_or(0)),
            Err(error) if is_gone(&error) => Err(CgroupError::Gone(self.path.clone())),
            Err(source) => Err(CgroupError::Read { path, source }),
        }
    }

    fn cpu(&self) -> Result<Cpu, CgroupError> {
        let Ok(folder) = self.folder(Controller::Cpu) else {
            return Ok(Cpu::default());
        };
        let stat = keyed(
            &CpuController::new(folder, no_root(), self.is_unified())
                .cpu()
                .stat,
        );
        let get = |name: &str| stat.get(name).copied().unwrap_or(0);
        let mut cpu = Cpu {
            periods: get("nr_periods"),
            throttled_periods: get("nr_throttled"),
            ..Cpu::default()
        };
        if self.is_unified() {
            let nanoseconds = |name| get(name).saturating_mul(1000);
            cpu.total = nanoseconds("usage_usec");
            cpu.user = nanoseconds("user_usec");
            cpu.system = nanoseconds("system_usec");
            cpu.throttled = nanoseconds("throttled_usec");
            return Ok(cpu);
        }
        cpu.throttled = get("throttled_time");
        if let Ok(folder) = self.folder(Controller::CpuAcct) {
            let figures = CpuAcctController::new(folder, no_root()).cpuacct();
            cpu.total = figures.usage;
            cpu.user = figures.usage_user;
            cpu.system = figures.usage_sys;
            cpu.per_cpu = figures
                .usage_percpu
                .split_whitespace()
                .filter_map(|count| count.parse().ok())
                .collect();
        }
        Ok(cpu)
    }

    fn memory(&self) -> Result<Memory, CgroupError> {
        let Ok(folder) = self.folder(Controller::Memory) else {
            return Ok(Memory::default());
        };
        let stats = self.read_keyed(folder.join("memory.stat"))?;
        let figures = MemController::new(folder, no_root(), self.is_unified()).memory_stat();
        let machine = host_memory()?;
        Ok(Memory {
            usage: figures.usage_in_bytes,
            max_usage: Some(figures.max_usage_in_bytes).filter(|most| *most > 0),
            limit: u64::try_from(figures.limit_in_bytes)
                .ok()
                .filter(|limit| *limit > 0)
                .unwrap_or(machine)
                .min(machine),
            failures: figures.fail_cnt,
            stats,
        })
    }

    fn pid_figures(&self) -> Pids {
        let Ok(folder) = self.folder(Controller::Pids) else {
            return Pids::default();
        };
        let controller = PidController::new(folder, no_root(), self.is_unified());
        let limit = match controller.get_pid_max() {
            Ok(MaxValue::Value(limit)) => u64::try_from(limit).ok(),
            _ => None,
        };
        Pids {
            current: controller.get_pid_current().unwrap_or(0),
            limit,
        }
    }

    fn block(&self) -> Result<(Vec<BlockCount>, Vec<BlockCount>), CgroupError> {
        let Ok(folder) = self.folder(Controller::Block) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let text = |name: &str| {
            let path = folder.join(name);
            read(&path).map_err(|source| CgroupError::Read { path, source })
        };
        if self.is_unified() {
            return Ok(block::parse_v2(&text("io.stat")?));
        }
        // The first two are filled where the BFQ or CFQ scheduler serves the device; the last one elsewhere.
        let first = |names: [&str; 3]| -> Result<Vec<BlockCount>, CgroupError> {
            for name in names {
                let counts = block::parse_v1(&text(name)?);
                if counts.iter().any(|count| count.value > 0) {
                    return Ok(counts);
                }
            }
            Ok(Vec::new())
        };
        let counted = first([
            "blkio.bfq.io_service_bytes_recursive",
            "blkio.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes_recursive",
        ])?;
        Ok((
            // Kernels since 6.10 count there only where a throttle is set, and writes that go through the page cache
            // were never counted.
            if counted.is_empty() {
                block::of_processes(&self.pids()?)
            } else {
                counted
            },
            first([
                "blkio.bfq.io_serviced_recursive",
                "blkio.io_serviced_recursive",
                "blkio.throttle.io_serviced_recursive",
            ])?,
        ))
    }

    fn read_keyed(&self, path: PathBuf) -> Result<BTreeMap<String, u64>, CgroupError> {
        read_keyed(&path).map_err(|source| CgroupError::Read { path, source })
    }
}

/// The machine's memory in bytes.
///
/// # Errors
/// Where `/proc/meminfo` can't be read.
pub fn host_memory() -> Result<u64, CgroupError> {
    let text = read_proc("/proc/meminfo")?;
    let kilobytes = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()
    });
    Ok(kilobytes.unwrap_or(0u64).saturating_mul(1024))
}

/// The machine's processor time since it started, in nanoseconds and over all processors, and how many are online.
///
/// # Errors
/// Where `/proc/stat` can't be read.
pub fn host_cpu() -> Result<(u64, u32), CgroupError> {
    let text = read_proc("/proc/stat")?;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Ok(parse_host_cpu(&text, ticks))
}

/// The first line sums all processors; its first seven figures are those that Docker adds up.
pub(super) fn parse_host_cpu(text: &str, ticks_a_second: u64) -> (u64, u32) {
    let mut total = 0u64;
    let mut online = 0;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cpu") => {
                let ticks: u64 = words
                    .take(7)
                    .filter_map(|word| word.parse::<u64>().ok())
                    .sum();
                total = ticks.saturating_mul(1_000_000_000 / ticks_a_second);
            }
            Some(name) if name.starts_with("cpu") => online += 1,
            _ => {}
        }
    }
    (total, online)
}

fn read_proc(path: &str) -> Result<String, CgroupError> {
    std::fs::read_to_string(Path::new(path)).map_err(|source: io::Error| CgroupError::Read {
        path: path.into(),
        source,
    })
}
