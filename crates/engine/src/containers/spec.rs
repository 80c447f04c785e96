//! From a container's definition to what the runtime is told.

use std::path::PathBuf;

use gantry_api::models::HostConfigCgroupnsModeEnum;
use gantry_runtime::spec::{
    ConsoleSize, ContainerSpec, Device, IpcNamespace, Mount, MountKind as RuntimeMount, Namespace,
    Namespaces, NetworkNamespace, Security, Ulimit,
};

use super::create::{parse_security, runtime_resources, tmpfs_options};
use super::{Definition, MountKind};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Checks at create what only the whole tells: that a specification can be made of it.
pub fn check(engine: &Engine, definition: &Definition) -> Result<()> {
    let spec = build(
        engine,
        definition,
        PathBuf::new(),
        NetworkNamespace::New,
        Vec::new(),
    )?;
    for capability in spec.cap_add.iter().chain(&spec.cap_drop) {
        let upper = capability.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name != "ALL" && !CAPABILITIES.contains(&name) {
            return Err(Error::invalid(format!(
                "invalid capability: \"{}\"",
                capability.escape_debug()
            )));
        }
    }
    Ok(())
}

/// `capabilities(7)`.
const CAPABILITIES: &[&str] = &[
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The specification of a container whose root is mounted at `rootfs`.
pub fn build(
    engine: &Engine,
    definition: &Definition,
    rootfs: PathBuf,
    network: NetworkNamespace,
    files: Vec<(PathBuf, &'static str)>,
) -> Result<ContainerSpec> {
    let (config, host) = (&definition.config, &definition.host);
    let security = parse_security(host.security_opt.as_deref().unwrap_or_default())?;
    let unmasked = security.system_paths_unconfined.then(Vec::new);
    let mut mounts: Vec<Mount> = files
        .into_iter()
        .filter(|(_, place)| {
            definition
                .mounts
                .iter()
                .all(|mount| mount.destination != *place)
        })
        .map(|(source, place)| Mount {
            destination: place.to_owned(),
            kind: RuntimeMount::Bind {
                source,
                propagation: None,
                non_recursive: false,
            },
            read_only: false,
        })
        .collect();
    for mount in &definition.mounts {
        mounts.push(Mount {
            destination: mount.destination.clone(),
            kind: match mount.kind {
                MountKind::Tmpfs => tmpfs(&mount.destination, &mount.options.join(","))?,
                MountKind::Bind | MountKind::Volume => RuntimeMount::Bind {
                    source: mount.source.clone(),
                    propagation: Some(mount.propagation.clone()).filter(|text| !text.is_empty()),
                    non_recursive: mount.non_recursive,
                },
            },
            read_only: mount.read_only,
        });
    }
    for (path, options) in host.tmpfs.iter().flatten() {
        mounts.push(Mount {
            destination: path.clone(),
            kind: tmpfs(path, options)?,
            read_only: false,
        });
    }
    Ok(ContainerSpec {
        id: definition.id.as_str().to_owned(),
        rootfs,
        args: std::iter::once(&definition.path)
            .chain(&definition.args)
            .cloned()
            .collect(),
        env: config.env.clone().unwrap_or_default(),
        cwd: config.working_dir.clone().unwrap_or_default(),
        user: config.user.clone().unwrap_or_default(),
        groups: host.group_add.clone().unwrap_or_default(),
        hostname: config.hostname.clone().unwrap_or_default(),
        domainname: config.domainname.clone().unwrap_or_default(),
        tty: config.tty == Some(true),
        open_stdin: config.open_stdin == Some(true),
        stdin_once: config.stdin_once == Some(true),
        console_size: console_size(host.console_size.as_deref()),
        mounts,
        read_only: host.readonly_rootfs == Some(true),
        privileged: host.privileged == Some(true),
        cap_add: host.cap_add.clone().unwrap_or_default(),
        cap_drop: host.cap_drop.clone().unwrap_or_default(),
        security: Security {
            seccomp: security.seccomp,
            no_new_privileges: security.no_new_privileges,
            masked_paths: host.masked_paths.clone().or_else(|| unmasked.clone()),
            readonly_paths: host.readonly_paths.clone().or(unmasked),
        },
        namespaces: namespaces(engine, definition, network)?,
        resources: runtime_resources(host)?,
        devices: devices(definition),
        device_cgroup_rules: host.device_cgroup_rules.clone().unwrap_or_default(),
        sysctls: host
            .sysctls
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect(),
        ulimits: host
            .ulimits
            .iter()
            .flatten()
            .map(|limit| Ulimit {
                name: limit.name.clone().unwrap_or_default(),
                soft: limit.soft.unwrap_or(0),
                hard: limit.hard.unwrap_or(0),
            })
            .collect(),
        oom_score_adj: host
            .oom_score_adj
            .filter(|value| *value != 0)
            .and_then(|value| i32::try_from(value).ok()),
        shm_size: host
            .shm_size
            .and_then(|size| u64::try_from(size).ok())
            .filter(|size| *size > 0),
        init: host.init == Some(true),
        cgroup_parent: host.cgroup_parent.clone().filter(|path| !path.is_empty()),
        annotations: host
            .annotations
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect(),
    })
}

/// Height and width as the API gives them; zeroes are none.
pub fn console_size(size: Option<&[usize]>) -> Option<ConsoleSize> {
    let &[height, width] = size? else { return None };
    let size = ConsoleSize {
        height: u16::try_from(height).ok()?,
        width: u16::try_from(width).ok()?,
    };
    (size.height > 0 && size.width > 0).then_some(size)
}

fn tmpfs(path: &str, options: &str) -> Result<RuntimeMount> {
    let options = tmpfs_options(path, options)?;
    Ok(RuntimeMount::Tmpfs {
        size: options.size,
        mode: options.mode,
        options: options.rest,
    })
}

fn devices(definition: &Definition) -> Vec<Device> {
    let list = definition.host.devices.iter().flatten();
    list.map(|device| {
        let host = device.path_on_host.clone().unwrap_or_default();
        let given = |text: &Option<String>, default: &str| {
            text.clone()
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        Device {
            container: given(&device.path_in_container, &host),
            permissions: given(&device.cgroup_permissions, "rwm"),
            host: PathBuf::from(host),
        }
    })
    .collect()
}

fn namespaces(
    engine: &Engine,
    definition: &Definition,
    network: NetworkNamespace,
) -> Result<Namespaces> {
    let host = &definition.host;
    let pid = match host.pid_mode.as_deref().unwrap_or_default() {
        "host" => Namespace::Host,
        other => match other.strip_prefix("container:") {
            Some(query) => pid_namespace_of(engine, query)?,
            None => Namespace::Private,
        },
    };
    Ok(Namespaces {
        network,
        pid,
        ipc: match host.ipc_mode.as_deref().unwrap_or_default() {
            "host" => IpcNamespace::Host,
            "none" => IpcNamespace::NoShm,
            _ => IpcNamespace::Private,
        },
        uts: if host.uts_mode.as_deref() == Some("host") {
            Namespace::Host
        } else {
            Namespace::Private
        },
        cgroup: match host.cgroupns_mode {
            Some(HostConfigCgroupnsModeEnum::PRIVATE) => Some(Namespace::Private),
            Some(HostConfigCgroupnsModeEnum::HOST) => Some(Namespace::Host),
            _ => None,
        },
    })
}

fn pid_namespace_of(engine: &Engine, query: &str) -> Result<Namespace> {
    let other = engine.containers.find(query)?.record();
    // At create the other needn't run yet; at start the runtime tells when the path leads nowhere.
    Ok(
        match other.state.pid.filter(|_| other.state.phase.is_alive()) {
            Some(pid) => Namespace::Path(PathBuf::from(format!("/proc/{pid}/ns/pid"))),
            None => Namespace::Path(PathBuf::from("/proc/0/ns/pid")),
        },
    )
}
