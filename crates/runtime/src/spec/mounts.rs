//! What is mounted in a container.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount as OciMount;

use super::{ContainerSpec, IpcNamespace, Mount, MountKind, SpecError};
use crate::Host;

/// Docker's size of `/dev/shm`, in bytes.
const SHM_SIZE: u64 = 64 << 20;

/// Hidden in every container, where the kernel has it.
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Not writable in any container.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) fn masked(spec: &ContainerSpec, host: &Host) -> Vec<String> {
    match &spec.security.masked_paths {
        Some(paths) => paths.clone(),
        None if spec.privileged => Vec::new(),
        None => MASKED
            .iter()
            .map(ToString::to_string)
            .chain(host.thermal_throttles.iter().cloned())
            .collect(),
    }
}

/// Read-only paths. On cgroup v1 and hybrid each hierarchy is a mount of its own, and libcontainer makes none of them
/// read-only though the specification says so: they are named one by one, else root in the container could raise its
/// own limits.
pub(super) fn read_only(spec: &ContainerSpec, host: &Host) -> Vec<String> {
    let mut paths = match &spec.security.readonly_paths {
        Some(paths) => paths.clone(),
        None if spec.privileged => Vec::new(),
        None => READ_ONLY.iter().map(ToString::to_string).collect(),
    };
    let replaced = spec
        .mounts
        .iter()
        .any(|mount| Path::new("/sys/fs/cgroup").starts_with(&mount.destination));
    if !spec.privileged && !replaced && !host.cgroup_v1_mounts.is_empty() {
        paths.push("/sys/fs/cgroup".to_owned());
        paths.extend(
            host.cgroup_v1_mounts
                .iter()
                .map(|name| format!("/sys/fs/cgroup/{name}")),
        );
    }
    paths
}

/// Everything mounted, defaults first, each parent before what lies below it.
pub(super) fn all(spec: &ContainerSpec, host: &Host) -> Result<Vec<OciMount>, SpecError> {
    let mut seen = BTreeSet::new();
    for mount in &spec.mounts {
        let clean = clean(&mount.destination)?;
        if !seen.insert(clean.clone()) {
            return Err(SpecError::DuplicateMount(clean.display().to_string()));
        }
    }
    let replaced = |destination: &Path| {
        seen.contains(destination)
            || (destination.starts_with("/dev") && seen.contains(Path::new("/dev")))
    };
    let mut mounts: Vec<OciMount> = defaults(spec)
        .into_iter()
        .filter(|m| !replaced(m.destination()))
        .collect();
    let mut own = spec.mounts.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    if spec.init {
        own.push(oci(
            "/sbin/docker-init",
            "bind",
            &host.init.to_string_lossy(),
            &["bind", "ro"],
        ));
    }
    own.sort_by_key(|mount| mount.destination().components().count());
    mounts.extend(own);
    Ok(mounts)
}

fn defaults(spec: &ContainerSpec) -> Vec<OciMount> {
    let access = if spec.privileged { "rw" } else { "ro" };
    let mut mounts = vec![
        oci("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        oci(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        oci(
            "/dev/pts",
            "devpts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        oci(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", access],
        ),
        oci(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &[access, "nosuid", "noexec", "nodev"],
        ),
    ];
    match &spec.namespaces.ipc {
        IpcNamespace::Host => {
            mounts.push(oci("/dev/mqueue", "bind", "/dev/mqueue", &["rbind"]));
            mounts.push(oci("/dev/shm", "bind", "/dev/shm", &["rbind"]));
            mounts.retain(|mount| {
                mount.typ().as_deref() != Some("bind")
                    || mount.source().as_ref().is_some_and(|s| s.exists())
            });
        }
        IpcNamespace::Private => {
            mounts.push(mqueue());
            let size = format!("size={}", spec.shm_size.unwrap_or(SHM_SIZE));
            mounts.push(oci(
                "/dev/shm",
                "tmpfs",
                "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", &size],
            ));
        }
        IpcNamespace::NoShm => mounts.push(mqueue()),
        IpcNamespace::Shared { shm, .. } => {
            mounts.push(mqueue());
            mounts.push(oci(
                "/dev/shm",
                "bind",
                &shm.to_string_lossy(),
                &["bind", "nosuid", "noexec", "nodev"],
            ));
        }
    }
    mounts
}

fn mqueue() -> OciMount {
    oci(
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        &["nosuid", "noexec", "nodev"],
    )
}

fn oci(destination: &str, kind: &str, source: &str, options: &[&str]) -> OciMount {
    let mut mount = OciMount::default();
    mount
        .set_destination(PathBuf::from(destination))
        .set_typ(Some(kind.to_owned()))
        .set_source(Some(PathBuf::from(source)))
        .set_options(Some(options.iter().map(ToString::to_string).collect()));
    mount
}

/// The destination without `.`, `..` and doubled slashes.
fn clean(destination: &str) -> Result<PathBuf, SpecError> {
    let wrong = || SpecError::Destination(destination.to_owned());
    if !destination.starts_with('/') || destination.contains('\0') {
        return Err(wrong());
    }
    let mut clean = PathBuf::from("/");
    for part in destination.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    if clean == Path::new("/") {
        Err(wrong())
    } else {
        Ok(clean)
    }
}

fn of(mount: &Mount) -> Result<OciMount, SpecError> {
    let destination = clean(&mount.destination)?;
    let destination = destination.to_string_lossy();
    match &mount.kind {
        MountKind::Bind {
            source,
            propagation,
            non_recursive,
        } => {
            let propagation = propagation
                .as_deref()
                .filter(|word| !word.is_empty())
                .unwrap_or("rprivate");
            if !matches!(
                propagation,
                "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave"
            ) {
                return Err(SpecError::Propagation(propagation.to_owned()));
            }
            let mut options = vec![if *non_recursive { "bind" } else { "rbind" }, propagation];
            if mount.read_only {
                // `rro` reaches what is mounted below the source, too.
                options.extend(if *non_recursive {
                    &["ro"][..]
                } else {
                    &["ro", "rro"][..]
                });
            }
            Ok(oci(
                &destination,
                "bind",
                &source.to_string_lossy(),
                &options,
            ))
        }
        MountKind::Tmpfs {
            size,
            mode,
            options,
        } => {
            let mut all = vec!["noexec".to_owned(), "nosuid".to_owned(), "nodev".to_owned()];
            for option in options.iter().filter(|option| !option.is_empty()) {
                add_tmpfs_option(&mut all, option)?;
            }
            if let Some(size) = size {
                all.push(format!("size={size}"));
            }
            if let Some(mode) = mode {
                all.push(format!("mode={mode:o}"));
            } else if !all.iter().any(|option| option.starts_with("mode=")) {
                all.push("mode=1777".to_owned());
            }
            if mount.read_only {
                all.push("ro".to_owned());
            }
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            Ok(oci(&destination, "tmpfs", "tmpfs", &all))
        }
    }
}

/// Options of Docker's `--tmpfs`; the positive of a default takes its place.
fn add_tmpfs_option(options: &mut Vec<String>, option: &str) -> Result<(), SpecError> {
    let opposite = match option {
        "exec" => Some("noexec"),
        "suid" => Some("nosuid"),
        "dev" => Some("nodev"),
        _ => None,
    };
    let name = option.split('=').next().unwrap_or(option);
    let known = opposite.is_some()
        || matches!(
            option,
            "ro" | "rw"
                | "noexec"
                | "nosuid"
                | "nodev"
                | "sync"
                | "async"
                | "atime"
                | "noatime"
                | "diratime"
                | "nodiratime"
                | "relatime"
                | "strictatime"
        )
        || (option.contains('=')
            && matches!(
                name,
                "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks"
            ));
    if !known || option.contains(['\0', ',', '\n']) {
        return Err(SpecError::TmpfsOption(option.to_owned()));
    }
    options.retain(|have| Some(have.as_str()) != opposite && have != option);
    if opposite.is_none() {
        options.push(option.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            shim: "/s".into(),
            init: "/i".into(),
            cgroup_v1_mounts: vec!["memory".into()],
            cgroup_v2_only: false,
            thermal_throttles: vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".into()],
            open_files: None,
        }
    }

    fn bind(destination: &str, read_only: bool) -> Mount {
        let kind = MountKind::Bind {
            source: "/src".into(),
            propagation: None,
            non_recursive: false,
        };
        Mount {
            destination: destination.into(),
            kind,
            read_only,
        }
    }

    #[test]
    fn own_mounts_replace_defaults_and_come_by_depth() {
        let mounts = vec![
            bind("/a/b/c", false),
            bind("/dev/shm/", true),
            bind("/a", false),
        ];
        let spec = ContainerSpec {
            mounts,
            init: true,
            ..ContainerSpec::default()
        };
        let all = all(&spec, &host()).unwrap();
        let order: Vec<_> = all
            .iter()
            .map(|m| m.destination().display().to_string())
            .collect();
        assert_eq!(
            order,
            [
                "/proc",
                "/dev",
                "/dev/pts",
                "/sys",
                "/sys/fs/cgroup",
                "/dev/mqueue",
                "/a",
                "/dev/shm",
                "/sbin/docker-init",
                "/a/b/c"
            ]
        );
        assert_eq!(
            all[7].options().as_deref().unwrap(),
            ["rbind", "rprivate", "ro", "rro"]
        );
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let check = |mounts: Vec<Mount>| {
            all(
                &ContainerSpec {
                    mounts,
                    ..ContainerSpec::default()
                },
                &host(),
            )
        };
        assert!(matches!(
            check(vec![bind("/", false)]),
            Err(SpecError::Destination(_))
        ));
        assert!(matches!(
            check(vec![bind("rel", false)]),
            Err(SpecError::Destination(_))
        ));
        assert!(matches!(
            check(vec![bind("/a/..", false)]),
            Err(SpecError::Destination(_))
        ));
        assert!(matches!(
            check(vec![bind("/a", false), bind("//a/", false)]),
            Err(SpecError::DuplicateMount(_))
        ));
    }

    #[test]
    fn tmpfs_options() {
        let mut options = vec!["noexec".to_owned(), "nosuid".to_owned()];
        for option in ["exec", "uid=5", "ro"] {
            add_tmpfs_option(&mut options, option).unwrap();
        }
        assert_eq!(options, ["nosuid", "uid=5", "ro"]);
        for bad in ["huge=always", "size", "x"] {
            assert!(add_tmpfs_option(&mut options, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_tells_of_the_machines_work_is_hidden() {
        let paths = masked(&ContainerSpec::default(), &host());
        for path in [
            "/sys/firmware",
            "/sys/devices/system/cpu/cpu0/thermal_throttle",
        ] {
            assert!(paths.iter().any(|have| have == path), "{path}");
        }
    }

    #[test]
    fn cgroup_hierarchies_are_read_only_by_name() {
        let paths = read_only(&ContainerSpec::default(), &host());
        assert!(paths.ends_with(&[
            "/sys/fs/cgroup".to_owned(),
            "/sys/fs/cgroup/memory".to_owned()
        ]));
        assert!(
            read_only(
                &ContainerSpec {
                    privileged: true,
                    ..ContainerSpec::default()
                },
                &host()
            )
            .is_empty()
        );
    }
}
