//! Device nodes of a container and the rules of which it may use.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use super::{ContainerSpec, SpecError};

/// Most nodes that one folder of the host may give.
const MOST: usize = 4096;

/// Left out of a privileged container: they are mounts of its own.
const OWN: [&str; 6] = [
    "/dev/pts",
    "/dev/shm",
    "/dev/fd",
    "/dev/mqueue",
    "/dev/.lxc",
    "/dev/console",
];

/// Nodes to make besides the runtime's defaults, and the rules in order.
pub(super) fn of(
    spec: &ContainerSpec,
) -> Result<(Vec<LinuxDevice>, Vec<LinuxDeviceCgroup>), SpecError> {
    // What is mounted there is there already, and it is the host's.
    let is_mounted = |node: &LinuxDevice| {
        let mut mounts = spec.mounts.iter();
        mounts.any(|mount| node.path().starts_with(&mount.destination))
    };
    if spec.privileged {
        let mut nodes = Vec::new();
        collect(Path::new("/dev"), Path::new("/dev"), &mut nodes)?;
        nodes.retain(|node| !is_mounted(node));
        return Ok((nodes, vec![rule(true, None, None, None, "rwm")]));
    }
    let mut rules = vec![rule(false, None, None, None, "rwm")];
    // What every container may use: the runtime makes these nodes, but not every one lets them be opened.
    for (kind, major, minor, access) in [
        (LinuxDeviceType::C, None, None, "m"),
        (LinuxDeviceType::B, None, None, "m"),
        (LinuxDeviceType::C, Some(1), Some(5), "rwm"),
        (LinuxDeviceType::C, Some(1), Some(3), "rwm"),
        (LinuxDeviceType::C, Some(1), Some(9), "rwm"),
        (LinuxDeviceType::C, Some(1), Some(8), "rwm"),
        (LinuxDeviceType::C, Some(1), Some(7), "rwm"),
        (LinuxDeviceType::C, Some(5), Some(0), "rwm"),
        (LinuxDeviceType::C, Some(5), Some(1), "rwm"),
        (LinuxDeviceType::C, Some(5), Some(2), "rwm"),
        (LinuxDeviceType::C, Some(136), None, "rwm"),
    ] {
        rules.push(rule(true, Some(kind), major, minor, access));
    }
    let mut nodes = Vec::new();
    for device in &spec.devices {
        let access =
            access(&device.permissions).ok_or_else(|| wrong(&device.host, "bad permissions"))?;
        let real = std::fs::canonicalize(&device.host)
            .map_err(|error| wrong(&device.host, &error.to_string()))?;
        let mut found = Vec::new();
        if real.is_dir() {
            collect(&real, Path::new(&device.container), &mut found)?;
        } else {
            found.extend(node(&real, Path::new(&device.container))?);
        }
        if found.is_empty() {
            return Err(wrong(&device.host, "not a device node"));
        }
        for node in &found {
            rules.push(rule(
                true,
                Some(node.typ()),
                Some(node.major()),
                Some(node.minor()),
                access,
            ));
        }
        found.retain(|node| !is_mounted(node));
        nodes.append(&mut found);
    }
    for text in &spec.device_cgroup_rules {
        rules.push(parse_rule(text).ok_or_else(|| SpecError::DeviceRule(text.clone()))?);
    }
    Ok((nodes, rules))
}

fn wrong(path: &Path, reason: &str) -> SpecError {
    SpecError::Device {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn access(text: &str) -> Option<&str> {
    match text {
        "" => Some("rwm"),
        text if text.len() <= 3 && text.bytes().all(|byte| b"rwm".contains(&byte)) => Some(text),
        _ => None,
    }
}

fn rule(
    allow: bool,
    kind: Option<LinuxDeviceType>,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow)
        .set_typ(Some(kind.unwrap_or(LinuxDeviceType::A)))
        .set_major(major)
        .set_minor(minor)
        .set_access(Some(access.to_owned()));
    rule
}

/// `c 42:* rwm`
fn parse_rule(text: &str) -> Option<LinuxDeviceCgroup> {
    let mut words = text.split(' ');
    let kind = match words.next()? {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let number = |text: &str| {
        if text == "*" {
            Some(None)
        } else {
            text.parse::<u32>().ok().map(|n| Some(i64::from(n)))
        }
    };
    let access = words
        .next()
        .filter(|text| !text.is_empty())
        .and_then(access)?;
    let rule = rule(true, Some(kind), number(major)?, number(minor)?, access);
    words.next().is_none().then_some(rule)
}

fn node(host: &Path, container: &Path) -> Result<Option<LinuxDevice>, SpecError> {
    let metadata =
        std::fs::symlink_metadata(host).map_err(|error| wrong(host, &error.to_string()))?;
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => LinuxDeviceType::C,
        kind if kind.is_block_device() => LinuxDeviceType::B,
        _ => return Ok(None),
    };
    let mut device = LinuxDevice::default();
    device
        .set_path(container.to_owned())
        .set_typ(kind)
        .set_major(i64::from(rustix::fs::major(metadata.rdev())))
        .set_minor(i64::from(rustix::fs::minor(metadata.rdev())))
        .set_file_mode(Some(metadata.mode() & 0o7777))
        .set_uid(Some(metadata.uid()))
        .set_gid(Some(metadata.gid()));
    Ok(Some(device))
}

fn collect(host: &Path, container: &Path, into: &mut Vec<LinuxDevice>) -> Result<(), SpecError> {
    let mut folders: Vec<(PathBuf, PathBuf)> = vec![(host.to_owned(), container.to_owned())];
    while let Some((host, container)) = folders.pop() {
        let entries = std::fs::read_dir(&host).map_err(|error| wrong(&host, &error.to_string()))?;
        for entry in entries.flatten() {
            let (path, inside) = (entry.path(), container.join(entry.file_name()));
            if OWN.iter().any(|own| inside == Path::new(own)) {
                continue;
            }
            // Nodes come and go while this reads.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                folders.push((path, inside));
            } else if let Ok(Some(device)) = node(&path, &inside) {
                into.push(device);
            }
            if into.len() > MOST || folders.len() > MOST {
                return Err(wrong(&host, "too many devices"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Device;

    #[test]
    fn rules_have_dockers_grammar() {
        let rule = parse_rule("c 42:* rw").unwrap();
        assert_eq!(
            (
                rule.typ(),
                rule.major(),
                rule.minor(),
                rule.access().as_deref()
            ),
            (Some(LinuxDeviceType::C), Some(42), None, Some("rw"))
        );
        for bad in [
            "",
            "c",
            "d 1:2 r",
            "c 1 r",
            "c 1:2 x",
            "c 1:2",
            "c 1:2 rwm x",
            "c -1:2 r",
        ] {
            assert!(parse_rule(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_device_is_made_and_allowed() {
        let device = |host: &str| Device {
            host: host.into(),
            container: "/dev/nothing".into(),
            permissions: "rw".into(),
        };
        let spec = ContainerSpec {
            devices: vec![device("/dev/null")],
            ..ContainerSpec::default()
        };
        let (nodes, rules) = of(&spec).unwrap();
        assert_eq!((nodes[0].major(), nodes[0].minor()), (1, 3));
        assert_eq!(rules.last().unwrap().access().as_deref(), Some("rw"));
        assert!(!rules[0].allow());
        // Allowed, but not made where a folder of the host is mounted.
        let kind = crate::spec::MountKind::Bind {
            source: "/dev/input".into(),
            propagation: None,
            non_recursive: false,
        };
        let mount = |destination: &str| crate::spec::Mount {
            destination: destination.into(),
            kind: kind.clone(),
            read_only: false,
        };
        for (place, count) in [("/dev/nothing/", 0), ("/dev/noth", 1)] {
            let spec = ContainerSpec {
                mounts: vec![mount(place)],
                ..spec.clone()
            };
            let (nodes, rules) = of(&spec).unwrap();
            assert_eq!(nodes.len(), count, "{place}");
            assert_eq!(rules.last().unwrap().minor(), Some(3));
        }
        for bad in ["/dev/does-not-exist", "/etc/passwd"] {
            let spec = ContainerSpec {
                devices: vec![device(bad)],
                ..ContainerSpec::default()
            };
            assert!(matches!(of(&spec), Err(SpecError::Device { .. })), "{bad}");
        }
    }
}
