//! Limits, devices and the restart policy.

use bollard::models::{
    DeviceMapping, DeviceRequest, HostConfig, ResourcesBlkioWeightDevice, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum, ThrottleDevice,
};
use clap::Args;

use super::key_values::csv;
use super::process::some;
use crate::containers::limits::LimitFlags;
use crate::error::{CliError, Result};
use crate::output::units::parse_bytes;

/// What the container may use.
#[derive(Debug, Args)]
pub struct ResourceFlags {
    #[command(flatten)]
    limits: LimitFlags,
    /// Tune container memory swappiness (0 to 100)
    #[arg(long, value_name = "0-100")]
    memory_swappiness: Option<i64>,
    /// Disable OOM Killer
    #[arg(long)]
    oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "SCORE")]
    oom_score_adj: Option<i64>,
    /// Ulimit options
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// Optional parent cgroup for the container
    #[arg(long, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
    /// Add a host device to the container
    #[arg(long, value_name = "HOST[:CONTAINER[:rwm]]")]
    device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "RULE")]
    device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_name = "GPUS")]
    gpus: Option<String>,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_read_bps: Vec<String>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_write_bps: Vec<String>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "DEVICE:COUNT")]
    device_read_iops: Vec<String>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "DEVICE:COUNT")]
    device_write_iops: Vec<String>,
}

impl ResourceFlags {
    /// Writes the flags into the API's body.
    pub fn apply(&self, host: &mut HostConfig) -> Result<()> {
        let limits = &self.limits;
        host.memory = limits.memory;
        host.memory_reservation = limits.memory_reservation;
        host.memory_swap = limits.memory_swap;
        host.memory_swappiness = self.memory_swappiness;
        host.nano_cpus = limits.cpus;
        host.cpu_shares = limits.cpu_shares;
        host.cpu_period = limits.cpu_period;
        host.cpu_quota = limits.cpu_quota;
        host.cpu_realtime_period = limits.cpu_rt_period;
        host.cpu_realtime_runtime = limits.cpu_rt_runtime;
        host.cpuset_cpus = limits.cpuset_cpus.clone();
        host.cpuset_mems = limits.cpuset_mems.clone();
        host.pids_limit = limits.pids_limit;
        host.blkio_weight = limits.blkio_weight;
        host.oom_kill_disable = self.oom_kill_disable.then_some(true);
        host.oom_score_adj = self.oom_score_adj;
        host.cgroup_parent = self.cgroup_parent.clone();
        host.device_cgroup_rules = some(&self.device_cgroup_rule);
        host.ulimits = all(&self.ulimit, ulimit)?;
        host.devices = all(&self.device, device)?;
        host.blkio_weight_device = all(&self.blkio_weight_device, |text| {
            let (path, weight) = path_and(text, |rate| rate.parse::<usize>().ok())?;
            Ok(ResourcesBlkioWeightDevice {
                path: Some(path),
                weight: Some(weight),
            })
        })?;
        let bytes = |text: &str| throttle(text, |rate| parse_bytes(rate).ok());
        let count = |text: &str| throttle(text, |rate| rate.parse().ok());
        host.blkio_device_read_bps = all(&self.device_read_bps, bytes)?;
        host.blkio_device_write_bps = all(&self.device_write_bps, bytes)?;
        host.blkio_device_read_iops = all(&self.device_read_iops, count)?;
        host.blkio_device_write_iops = all(&self.device_write_iops, count)?;
        host.device_requests = self
            .gpus
            .as_deref()
            .map(gpus)
            .transpose()?
            .map(|request| vec![request]);
        Ok(())
    }
}

fn all<T>(texts: &[String], read: impl Fn(&str) -> Result<T>) -> Result<Option<Vec<T>>> {
    if texts.is_empty() {
        return Ok(None);
    }
    texts
        .iter()
        .map(|text| read(text))
        .collect::<Result<_>>()
        .map(Some)
}

fn path_and<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<(String, T)> {
    text.rsplit_once(':')
        .filter(|(path, _)| path.starts_with("/dev/"))
        .and_then(|(path, rate)| Some((path.to_owned(), read(rate)?)))
        .ok_or_else(|| CliError::invalid(format!("bad format: {text}: write /dev/path:number")))
}

fn throttle(text: &str, read: impl Fn(&str) -> Option<i64>) -> Result<ThrottleDevice> {
    let (path, rate) = path_and(text, read)?;
    Ok(ThrottleDevice {
        path: Some(path),
        rate: Some(rate),
    })
}

/// The limits that a process has.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn ulimit(text: &str) -> Result<ResourcesUlimits> {
    let wrong = || {
        CliError::invalid(format!(
            "invalid ulimit argument: {text}: write name=soft[:hard]"
        ))
    };
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    if !ULIMITS.contains(&name) {
        return Err(CliError::invalid(format!(
            "invalid ulimit type: {name}. There are {}",
            ULIMITS.join(", ")
        )));
    }
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let soft: i64 = soft.parse().map_err(|_| wrong())?;
    let hard: i64 = hard.parse().map_err(|_| wrong())?;
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(CliError::invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft),
        hard: Some(hard),
    })
}

fn device(text: &str) -> Result<DeviceMapping> {
    let mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, last] if mode(last) => (*host, *host, *last),
        [host, container] => (*host, *container, "rwm"),
        [host, container, permissions] if mode(permissions) => (*host, *container, *permissions),
        _ => {
            return Err(CliError::invalid(format!(
                "invalid device specification: {text}"
            )));
        }
    };
    Ok(DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(container.to_owned()),
        cgroup_permissions: Some(permissions.to_owned()),
    })
}

fn gpus(text: &str) -> Result<DeviceRequest> {
    let mut request = DeviceRequest {
        driver: Some(String::new()),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..Default::default()
    };
    for field in csv(text).map_err(CliError::Invalid)? {
        match field.split_once('=').unwrap_or(("count", &field)) {
            ("count", "all") => request.count = Some(-1),
            ("count", count) => {
                let count = count.parse();
                request.count =
                    Some(count.map_err(|_| {
                        CliError::invalid(format!("invalid count in --gpus {text}"))
                    })?);
            }
            ("device", id) => request
                .device_ids
                .get_or_insert_default()
                .extend(id.split(',').map(str::to_owned)),
            ("driver", name) => request.driver = Some(name.to_owned()),
            (other, _) => {
                return Err(CliError::invalid(format!(
                    "unexpected key '{other}' in --gpus {text}"
                )));
            }
        }
    }
    Ok(request)
}

/// A restart policy: `no`, `always`, `unless-stopped`, `on-failure[:times]`.
pub fn restart_policy(text: &str) -> Result<RestartPolicy> {
    let wrong = |why: &str| CliError::invalid(format!("invalid restart policy {text:?}: {why}"));
    let (name, times) = match text.split_once(':') {
        Some((name, times)) => {
            let times: i64 = times
                .parse()
                .map_err(|_| wrong("maximum retry count must be an integer"))?;
            (name, times)
        }
        None => (text, 0),
    };
    let name = match name {
        "" | "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => {
            return Err(wrong(
                "use no, always, unless-stopped or on-failure[:times]",
            ));
        }
    };
    Ok(RestartPolicy {
        name: Some(name),
        maximum_retry_count: Some(times),
    })
}
