//! `HostConfig`: each field is either honoured, or refused with a sentence.

use gantry_api::models::{
    ContainerConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum,
    HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};
use gantry_network::ExtraHost;

use super::super::network::Mode;
use super::{resources, security};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Checks `host` and fills in the defaults that inspect shows. Returns warnings.
pub fn check(
    engine: &Engine,
    host: &mut HostConfig,
    config: &ContainerConfig,
) -> Result<Vec<String>> {
    // Named one by one, so that a new field of the API can't be forgotten here.
    let HostConfig {
        cpu_shares: _,
        memory: _,
        cgroup_parent,
        blkio_weight: _,
        blkio_weight_device: _,
        blkio_device_read_bps: _,
        blkio_device_write_bps: _,
        blkio_device_read_iops: _,
        blkio_device_write_iops: _,
        cpu_period: _,
        cpu_quota: _,
        cpu_realtime_period: _,
        cpu_realtime_runtime: _,
        cpuset_cpus: _,
        cpuset_mems: _,
        devices: _,
        device_cgroup_rules: _,
        device_requests,
        memory_reservation: _,
        memory_swap: _,
        memory_swappiness: _,
        nano_cpus: _,
        oom_kill_disable: _,
        init: _,
        pids_limit: _,
        ulimits,
        cpu_count: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
        binds: _,
        container_id_file: _,
        log_config,
        network_mode,
        port_bindings,
        restart_policy,
        auto_remove,
        volume_driver,
        volumes_from: _,
        mounts: _,
        console_size,
        annotations: _,
        cap_add: _,
        cap_drop: _,
        cgroupns_mode,
        dns,
        dns_options: _,
        dns_search: _,
        extra_hosts,
        group_add: _,
        ipc_mode,
        cgroup,
        links,
        oom_score_adj,
        pid_mode,
        privileged: _,
        publish_all_ports,
        readonly_rootfs,
        security_opt,
        storage_opt,
        tmpfs: _,
        uts_mode,
        userns_mode,
        shm_size,
        sysctls,
        runtime: _,
        isolation,
        masked_paths: _,
        readonly_paths: _,
    } = &mut *host;

    let mode = Mode::parse(network_mode.as_deref().unwrap_or_default())?;
    if config.network_disabled == Some(true) && mode == Mode::Bridge {
        *network_mode = Some("none".to_owned());
    } else if let Mode::Container(query) = &mode {
        // Not 404: at a create that means the image to every client, which would pull it and try again.
        let other = other_container(engine, query)?;
        if port_bindings
            .as_ref()
            .is_some_and(|ports| !ports.is_empty())
            || *publish_all_ports == Some(true)
        {
            return Err(Error::invalid(
                "conflicting options: port publishing and the container type network mode",
            ));
        }
        if config
            .hostname
            .as_deref()
            .is_some_and(|name| !name.is_empty())
        {
            return Err(Error::invalid(
                "conflicting options: hostname and the network mode",
            ));
        }
        *network_mode = Some(format!("container:{other}"));
    } else {
        *network_mode = mode.network().map(str::to_owned);
    }

    // Kept with the container: an engine with another flag finds its groups all the same.
    if cgroup_parent.as_deref().is_none_or(str::is_empty) {
        cgroup_parent.clone_from(&engine.config.cgroup_parent);
    }
    if cgroup_parent
        .as_deref()
        .is_some_and(|path| path.split('/').any(|part| part == "..") || path.contains('\0'))
    {
        return Err(Error::invalid(
            "cgroup-parent must not climb out of the hierarchy",
        ));
    }
    if device_requests
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        return Err(Error::unsupported(
            "device requests (--gpus) are not supported: pass device nodes with --device instead",
        ));
    }
    for limit in ulimits.iter().flatten() {
        let name = limit.name.as_deref().unwrap_or_default();
        let (soft, hard) = (limit.soft.unwrap_or(0), limit.hard.unwrap_or(0));
        if soft < -1 || hard < -1 || (hard != -1 && (soft > hard || soft == -1)) {
            return Err(Error::invalid(format!(
                "ulimit {}: the soft limit must be less than or equal to the hard limit",
                name.escape_debug()
            )));
        }
    }
    check_log(log_config)?;
    check_restart(restart_policy, *auto_remove == Some(true))?;
    if volume_driver
        .as_deref()
        .is_some_and(|driver| !driver.is_empty() && driver != "local")
    {
        return Err(Error::unsupported(
            "volume drivers other than `local` are not supported",
        ));
    }
    if console_size
        .as_ref()
        .is_some_and(|size| !size.is_empty() && size.len() != 2)
    {
        return Err(Error::invalid("ConsoleSize must be a height and a width"));
    }
    for server in dns.iter().flatten() {
        if server.parse::<std::net::IpAddr>().is_err() {
            return Err(Error::invalid(format!(
                "invalid IP address in dns: {}",
                server.escape_debug()
            )));
        }
    }
    for text in extra_hosts.iter().flatten() {
        text.parse::<ExtraHost>()
            .map_err(|error| Error::invalid(error.to_string()))?;
    }
    match ipc_mode.as_deref().unwrap_or_default() {
        "" => *ipc_mode = Some("private".to_owned()),
        "private" | "host" | "none" => {}
        "shareable" => {
            return Err(Error::unsupported(
                "IPC mode `shareable` is not supported: use `private` or `host`",
            ));
        }
        other if other.starts_with("container:") => {
            return Err(Error::unsupported(
                "joining another container's IPC namespace is not supported",
            ));
        }
        other => {
            return Err(Error::invalid(format!(
                "invalid IPC mode: {}",
                other.escape_debug()
            )));
        }
    }
    if cgroup.as_deref().is_some_and(|text| !text.is_empty()) {
        return Err(Error::unsupported(
            "joining another container's cgroup is not supported",
        ));
    }
    if links.as_ref().is_some_and(|links| !links.is_empty()) {
        return Err(Error::unsupported(
            "links (--link) are not supported: they are a legacy feature of the default bridge",
        ));
    }
    if oom_score_adj.is_some_and(|value| !(-1000..=1000).contains(&value)) {
        return Err(Error::invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            oom_score_adj.unwrap_or(0)
        )));
    }
    match pid_mode.as_deref().unwrap_or_default() {
        "" | "host" => {}
        "private" => *pid_mode = Some(String::new()),
        other => match other.strip_prefix("container:") {
            Some(query) if !query.is_empty() => {
                *pid_mode = Some(format!("container:{}", other_container(engine, query)?))
            }
            _ => {
                return Err(Error::invalid(format!(
                    "invalid PID mode: {}",
                    other.escape_debug()
                )));
            }
        },
    }
    if storage_opt
        .as_ref()
        .is_some_and(|options| !options.is_empty())
    {
        return Err(Error::unsupported(
            "storage options (--storage-opt) are not supported: the overlay has no quota",
        ));
    }
    match uts_mode.as_deref().unwrap_or_default() {
        "" => {}
        "host"
            if config
                .hostname
                .as_deref()
                .is_some_and(|name| !name.is_empty()) =>
        {
            return Err(Error::invalid(
                "conflicting options: hostname and the UTS mode",
            ));
        }
        "host" => {}
        other => {
            return Err(Error::invalid(format!(
                "invalid UTS mode: {}",
                other.escape_debug()
            )));
        }
    }
    match userns_mode.as_deref().unwrap_or_default() {
        "" | "host" => {}
        other => {
            return Err(Error::invalid(format!(
                "invalid user namespace mode: {}",
                other.escape_debug()
            )));
        }
    }
    if shm_size.is_some_and(|size| size < 0) {
        return Err(Error::invalid("SHM size can not be less than 0"));
    }
    if shm_size.unwrap_or(0) == 0 {
        *shm_size = Some(64 << 20);
    }
    for (key, value) in sysctls.iter().flatten() {
        if key.is_empty() || key.contains(['\0', '/']) && key.contains("..") || value.contains('\0')
        {
            return Err(Error::invalid(format!(
                "sysctl '{}' is not whitelisted",
                key.escape_debug()
            )));
        }
    }
    if !matches!(
        isolation,
        None | Some(HostConfigIsolationEnum::EMPTY | HostConfigIsolationEnum::DEFAULT)
    ) {
        return Err(Error::invalid(
            "invalid isolation: only `default` exists on Linux",
        ));
    }
    if matches!(
        cgroupns_mode,
        None | Some(HostConfigCgroupnsModeEnum::EMPTY)
    ) {
        // As Docker: on v2 even for the privileged.
        *cgroupns_mode = Some(if engine.host.cgroup_v2_only {
            HostConfigCgroupnsModeEnum::PRIVATE
        } else {
            HostConfigCgroupnsModeEnum::HOST
        });
    }
    readonly_rootfs.get_or_insert(false);
    security::parse(security_opt.as_deref().unwrap_or_default())?;
    resources::check(host)?;
    resources::check_possible(host, engine.host.cgroup_v2_only)?;
    let discarded = resources::discard_missing(host, engine.host.cgroup_v2_only);
    defaults(host);
    Ok(discarded.into_iter().chain(warnings(host)).collect())
}

/// Another container that is named in a mode. That it is missing isn't "not found" of the image, on which clients pull.
fn other_container(engine: &Engine, query: &str) -> Result<super::super::ContainerId> {
    match engine.containers.find(query) {
        Ok(other) => Ok(other.id()),
        Err(error) => Err(Error::invalid(error.to_string())),
    }
}

fn check_log(log_config: &mut Option<HostConfigLogConfig>) -> Result<()> {
    let log = log_config.get_or_insert_default();
    let options = log.config.get_or_insert_default();
    let driver = log.typ.get_or_insert_default();
    gantry_runtime::log::Config::parse(driver, options)
        .map_err(|error| Error::invalid(error.to_string()))?;
    if driver.is_empty() {
        "json-file".clone_into(driver);
    }
    Ok(())
}

fn check_restart(policy: &mut Option<RestartPolicy>, auto_remove: bool) -> Result<()> {
    let policy = policy.get_or_insert_default();
    let name = *policy.name.get_or_insert(RestartPolicyNameEnum::NO);
    if name == RestartPolicyNameEnum::EMPTY {
        policy.name = Some(RestartPolicyNameEnum::NO);
    }
    let retries = *policy.maximum_retry_count.get_or_insert(0);
    let is_none = matches!(
        name,
        RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY
    );
    if retries < 0 {
        return Err(Error::invalid(
            "invalid restart policy: maximum retry count cannot be negative",
        ));
    }
    if retries != 0 && name != RestartPolicyNameEnum::ON_FAILURE {
        return Err(Error::invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ));
    }
    if auto_remove && !is_none {
        return Err(Error::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    Ok(())
}

/// What dockerd's inspect shows where nothing was asked for.
fn defaults(host: &mut HostConfig) {
    host.port_bindings.get_or_insert_default();
    host.auto_remove.get_or_insert(false);
    host.volume_driver.get_or_insert_default();
    host.container_id_file.get_or_insert_default();
    host.dns.get_or_insert_default();
    host.dns_options.get_or_insert_default();
    host.dns_search.get_or_insert_default();
    host.cgroup.get_or_insert_default();
    host.pid_mode.get_or_insert_default();
    host.uts_mode.get_or_insert_default();
    host.userns_mode.get_or_insert_default();
    host.cgroup_parent.get_or_insert_default();
    host.oom_score_adj.get_or_insert(0);
    host.privileged.get_or_insert(false);
    host.publish_all_ports.get_or_insert(false);
    host.console_size.get_or_insert_with(|| vec![0, 0]);
    host.isolation.get_or_insert(HostConfigIsolationEnum::EMPTY);
}

fn warnings(host: &HostConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if host.oom_kill_disable == Some(true) && host.memory.unwrap_or(0) == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources."
                .to_owned(),
        );
    }
    let published = host
        .port_bindings
        .as_ref()
        .is_some_and(|ports| !ports.is_empty());
    if published && matches!(host.network_mode.as_deref(), Some("host" | "none")) {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    warnings
}
