//! What a container uses, once a second, for the Stats tab.

use bollard::models::{ContainerBlkioStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures::StreamExt;
use serde::Serialize;
use tauri::State;
use tauri::ipc::Channel;

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::error::CommandError;
use crate::streams::Streams;

/// One reading. Counters are totals since the container's start: the page draws their rates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sample {
    /// RFC 3339.
    pub time: String,
    /// Percent of one processor; `None` in the first reading, which has nothing to compare with.
    pub cpu_percent: Option<f64>,
    /// Processors that the container sees.
    pub cpus: u32,
    /// Bytes in use, without what the kernel would give back at once.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory: u64,
    /// Bytes it may use: its own limit, else the machine's memory.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory_limit: u64,
    /// Bytes received.
    #[cfg_attr(test, ts(type = "number"))]
    pub received: u64,
    /// Bytes sent.
    #[cfg_attr(test, ts(type = "number"))]
    pub sent: u64,
    /// Bytes read from disks.
    #[cfg_attr(test, ts(type = "number"))]
    pub read: u64,
    /// Bytes written to disks.
    #[cfg_attr(test, ts(type = "number"))]
    pub written: u64,
    /// Processes and threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub processes: u64,
}

/// Sends readings until the page closes `stream` or the container ends.
#[tauri::command]
pub async fn stats_follow(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    stream: u32,
    id: String,
    samples: Channel<Sample>,
) -> Result<(), CommandError> {
    let client = engine.client()?;
    streams
        .run(stream, |flow| async move {
            let options = StatsOptionsBuilder::new().stream(true).build();
            let mut readings = std::pin::pin!(client.stats(&id, Some(options)));
            while let Some(reading) = readings.next().await {
                flow.ready().await;
                samples.send(Sample::from(reading?)).map_err(page_gone)?;
            }
            Ok(())
        })
        .await
}

impl From<ContainerStatsResponse> for Sample {
    fn from(stats: ContainerStatsResponse) -> Self {
        let cpu = stats.cpu_stats.unwrap_or_default();
        let before = stats.precpu_stats.unwrap_or_default();
        let cpus = cpu.online_cpus.filter(|cpus| *cpus > 0).unwrap_or(1);
        let used = |usage: Option<bollard::models::ContainerCpuUsage>| {
            usage.and_then(|usage| usage.total_usage)
        };
        let cpu_percent = match (
            used(cpu.cpu_usage),
            used(before.cpu_usage),
            cpu.system_cpu_usage,
            before.system_cpu_usage,
        ) {
            (Some(now), Some(then), Some(system_now), Some(system_then))
                if system_now > system_then =>
            {
                Some(
                    now.saturating_sub(then) as f64 / (system_now - system_then) as f64
                        * f64::from(cpus)
                        * 100.0,
                )
            }
            _ => None,
        };
        let memory = stats.memory_stats.unwrap_or_default();
        let detail = memory.stats.unwrap_or_default();
        // As `docker stats`: cgroup v1 tells the reclaimable cache as total_inactive_file, v2 as inactive_file.
        let cache = detail
            .get("total_inactive_file")
            .or_else(|| detail.get("inactive_file"))
            .copied()
            .unwrap_or(0);
        let networks = stats.networks.unwrap_or_default();
        let (read, written) = disk(stats.blkio_stats.unwrap_or_default());
        Self {
            time: stats.read.unwrap_or_default(),
            cpu_percent,
            cpus,
            memory: memory.usage.unwrap_or(0).saturating_sub(cache),
            memory_limit: memory.limit.unwrap_or(0),
            received: networks
                .values()
                .filter_map(|network| network.rx_bytes)
                .sum(),
            sent: networks
                .values()
                .filter_map(|network| network.tx_bytes)
                .sum(),
            read,
            written,
            processes: stats.pids_stats.and_then(|pids| pids.current).unwrap_or(0),
        }
    }
}

fn disk(stats: ContainerBlkioStats) -> (u64, u64) {
    let (mut read, mut written) = (0, 0);
    for entry in stats.io_service_bytes_recursive.unwrap_or_default() {
        let bytes = entry.value.unwrap_or(0);
        match entry.op.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("read") => read += bytes,
            Some("write") => written += bytes,
            _ => {}
        }
    }
    (read, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_counted_as_docker_stats_counts() {
        let stats: ContainerStatsResponse = serde_json::from_str(
            r#"{"read":"2026-03-01T10:00:01Z",
            "cpu_stats":{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000,"online_cpus":2},
            "precpu_stats":{"cpu_usage":{"total_usage":100},"system_cpu_usage":1000},
            "memory_stats":{"usage":1000,"limit":4000,"stats":{"inactive_file":400}},
            "networks":{"eth0":{"rx_bytes":5,"tx_bytes":6},"eth1":{"rx_bytes":1,"tx_bytes":1}},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":7},{"op":"write","value":8},{"op":"Total","value":15}]},
            "pids_stats":{"current":3}}"#,
        )
        .expect("json");
        let sample = Sample::from(stats);
        assert_eq!(sample.cpu_percent, Some(40.0));
        assert_eq!(
            (sample.memory, sample.memory_limit, sample.processes),
            (600, 4000, 3)
        );
        assert_eq!(
            (sample.received, sample.sent, sample.read, sample.written),
            (6, 7, 7, 8)
        );
    }

    #[test]
    fn the_first_reading_has_no_rate() {
        let stats: ContainerStatsResponse = serde_json::from_str(
            r#"{"cpu_stats":{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000}}"#,
        )
        .expect("json");
        assert_eq!(Sample::from(stats).cpu_percent, None);
    }
}
