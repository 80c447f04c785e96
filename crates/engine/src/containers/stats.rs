//! `docker stats`.

use std::collections::HashMap;
use std::sync::Arc;

use gantry_api::models::{
    ContainerBlkioStatEntry, ContainerBlkioStats, ContainerCpuStats, ContainerCpuUsage,
    ContainerMemoryStats, ContainerNetworkStats, ContainerPidsStats, ContainerStatsResponse,
    ContainerStorageStats, ContainerThrottlingData,
};
use gantry_runtime::cgroup::{self, BlockCount, CgroupError, Figures};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Container, Record, freezer, network};
use crate::error::Result;
use crate::state::{Engine, off_reactor};

/// Docker's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One look at a container's figures; the response of a container that doesn't run has none.
pub async fn sample(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
) -> Result<ContainerStatsResponse> {
    let record = container.record();
    let now = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_else(|_| NEVER.to_owned());
    let mut stats = empty(&record);
    if !record.state.phase.is_alive() {
        return Ok(stats);
    }
    let group = freezer::cgroup(engine, &record);
    let read = off_reactor(move || -> Result<_, CgroupError> {
        Ok((group.figures()?, cgroup::host_cpu()?))
    })
    .await?;
    let (figures, host) = match read {
        Ok(read) => read,
        // It ended between the two looks.
        Err(CgroupError::Gone(_)) => return Ok(stats),
        Err(error) => return Err(error.into()),
    };
    stats.read = Some(now);
    stats.cpu_stats = Some(cpu(&figures, host));
    stats.memory_stats = Some(memory(&figures));
    stats.pids_stats = Some(ContainerPidsStats {
        current: Some(figures.pids.current),
        limit: Some(figures.pids.limit.unwrap_or(u64::MAX)),
    });
    stats.blkio_stats = Some(ContainerBlkioStats {
        io_service_bytes_recursive: Some(blocks(&figures.block_bytes)),
        io_serviced_recursive: Some(blocks(&figures.block_operations)),
        ..ContainerBlkioStats::default()
    });
    if record.state.endpoint.is_some()
        && let Some(counters) = engine
            .network
            .figures(&network::endpoint_id(record.id())?)
            .await?
    {
        let eth0 = ContainerNetworkStats {
            rx_bytes: Some(counters.rx_bytes),
            rx_packets: Some(counters.rx_packets),
            rx_errors: Some(counters.rx_errors),
            rx_dropped: Some(counters.rx_dropped),
            tx_bytes: Some(counters.tx_bytes),
            tx_packets: Some(counters.tx_packets),
            tx_errors: Some(counters.tx_errors),
            tx_dropped: Some(counters.tx_dropped),
            ..ContainerNetworkStats::default()
        };
        stats.networks = Some(HashMap::from([("eth0".to_owned(), eth0)]));
    }
    Ok(stats)
}

/// `now` with what `before` said as its "previous" figures.
pub fn with_previous(
    mut now: ContainerStatsResponse,
    before: Option<&ContainerStatsResponse>,
) -> ContainerStatsResponse {
    if let Some(before) = before {
        now.preread.clone_from(&before.read);
        now.precpu_stats.clone_from(&before.cpu_stats);
    }
    now
}

fn empty(record: &Record) -> ContainerStatsResponse {
    ContainerStatsResponse {
        id: Some(record.id().as_str().to_owned()),
        name: Some(format!("/{}", record.name())),
        os_type: Some("linux".to_owned()),
        read: Some(NEVER.to_owned()),
        preread: Some(NEVER.to_owned()),
        cpu_stats: Some(no_cpu()),
        precpu_stats: Some(no_cpu()),
        memory_stats: Some(ContainerMemoryStats::default()),
        pids_stats: Some(ContainerPidsStats::default()),
        blkio_stats: Some(ContainerBlkioStats::default()),
        storage_stats: Some(ContainerStorageStats::default()),
        num_procs: Some(0),
        networks: None,
    }
}

fn no_cpu() -> ContainerCpuStats {
    ContainerCpuStats {
        cpu_usage: Some(ContainerCpuUsage {
            total_usage: Some(0),
            usage_in_kernelmode: Some(0),
            usage_in_usermode: Some(0),
            percpu_usage: None,
        }),
        system_cpu_usage: None,
        online_cpus: None,
        throttling_data: Some(ContainerThrottlingData {
            periods: Some(0),
            throttled_periods: Some(0),
            throttled_time: Some(0),
        }),
    }
}

fn cpu(figures: &Figures, (system, online): (u64, u32)) -> ContainerCpuStats {
    let cpu = &figures.cpu;
    ContainerCpuStats {
        cpu_usage: Some(ContainerCpuUsage {
            total_usage: Some(cpu.total),
            usage_in_kernelmode: Some(cpu.system),
            usage_in_usermode: Some(cpu.user),
            percpu_usage: Some(cpu.per_cpu.clone()).filter(|list| !list.is_empty()),
        }),
        system_cpu_usage: Some(system),
        online_cpus: Some(online),
        throttling_data: Some(ContainerThrottlingData {
            periods: Some(cpu.periods),
            throttled_periods: Some(cpu.throttled_periods),
            throttled_time: Some(cpu.throttled),
        }),
    }
}

fn memory(figures: &Figures) -> ContainerMemoryStats {
    let memory = &figures.memory;
    ContainerMemoryStats {
        usage: Some(memory.usage),
        max_usage: memory.max_usage,
        stats: Some(
            memory
                .stats
                .iter()
                .map(|(name, value)| (name.clone(), *value))
                .collect(),
        ),
        failcnt: Some(memory.failures),
        limit: Some(memory.limit),
        ..ContainerMemoryStats::default()
    }
}

fn blocks(counts: &[BlockCount]) -> Vec<ContainerBlkioStatEntry> {
    counts
        .iter()
        .map(|count| ContainerBlkioStatEntry {
            major: Some(count.major),
            minor: Some(count.minor),
            op: Some(count.operation.clone()),
            value: Some(count.value),
        })
        .collect()
}
