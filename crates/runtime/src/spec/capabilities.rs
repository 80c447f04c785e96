//! Which capabilities a container gets.

use std::collections::HashSet;
use std::str::FromStr;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use super::{ContainerSpec, SpecError};

/// All that Linux has, by number.
const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What every container has unless told otherwise.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The names, without `CAP_`, that a container holds; only those that this process may give (an engine in a
/// container, or an old kernel, has fewer).
pub(super) fn of(spec: &ContainerSpec) -> Result<HashSet<&'static str>, SpecError> {
    of_bounded(spec, bounding_set())
}

fn of_bounded(spec: &ContainerSpec, bounding: u64) -> Result<HashSet<&'static str>, SpecError> {
    let all = || {
        ALL.iter()
            .enumerate()
            .filter(|(number, _)| bounding & (1 << number) != 0)
            .map(|(_, name)| *name)
    };
    let (add, add_all) = parse(&spec.cap_add)?;
    let (drop, drop_all) = parse(&spec.cap_drop)?;
    if spec.privileged {
        return Ok(all().collect());
    }
    let wanted: HashSet<&'static str> = if add_all {
        all().filter(|name| !drop.contains(name)).collect()
    } else if drop_all {
        add
    } else {
        DEFAULT
            .into_iter()
            .filter(|name| !drop.contains(name))
            .chain(add.iter().copied())
            .collect()
    };
    if let Some(missing) = wanted
        .iter()
        .find(|name| !DEFAULT.contains(name) && !all().any(|have| have == **name))
    {
        return Err(SpecError::Capability(format!("CAP_{missing}")));
    }
    Ok(wanted
        .into_iter()
        .filter(|name| all().any(|have| have == *name))
        .collect())
}

fn parse(names: &[String]) -> Result<(HashSet<&'static str>, bool), SpecError> {
    let mut found = HashSet::new();
    let mut everything = false;
    for given in names {
        let upper = given.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            everything = true;
            continue;
        }
        match ALL.iter().find(|known| **known == name) {
            Some(known) => found.insert(*known),
            None => return Err(SpecError::Capability(given.clone())),
        };
    }
    Ok((found, everything))
}

/// The sets of a process: root gets them at once; another user's are only a bound, as `execve` would make it.
pub(crate) fn sets(names: &HashSet<&str>, uid: u32) -> LinuxCapabilities {
    let given: Capabilities = names
        .iter()
        .filter_map(|name| Capability::from_str(name).ok())
        .collect();
    let effective = if uid == 0 {
        given.clone()
    } else {
        Capabilities::new()
    };
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(given))
        .set_permitted(Some(effective.clone()))
        .set_effective(Some(effective))
        .set_inheritable(Some(Capabilities::new()))
        .set_ambient(Some(Capabilities::new()));
    sets
}

/// Everything that this process may give: for a privileged exec.
pub(crate) fn all_held() -> HashSet<&'static str> {
    let bounding = bounding_set();
    ALL.iter()
        .enumerate()
        .filter(|(number, _)| bounding & (1 << number) != 0)
        .map(|(_, name)| *name)
        .collect()
}

fn bounding_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(add: &[&str], drop: &[&str]) -> Vec<&'static str> {
        let spec = ContainerSpec {
            cap_add: add.iter().map(ToString::to_string).collect(),
            cap_drop: drop.iter().map(ToString::to_string).collect(),
            ..ContainerSpec::default()
        };
        let mut names: Vec<_> = of_bounded(&spec, u64::MAX).unwrap().into_iter().collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn adds_and_drops_as_docker_does() {
        assert_eq!(names(&[], &[]).len(), 14);
        assert_eq!(names(&["cap_sys_admin"], &["ALL"]), ["SYS_ADMIN"]);
        assert!(
            names(&["ALL"], &["MKNOD"]).len() == 40
                && !names(&["ALL"], &["MKNOD"]).contains(&"MKNOD")
        );
        assert!(!names(&[], &["chown"]).contains(&"CHOWN"));
        let unknown = ContainerSpec {
            cap_add: vec!["FLY".into()],
            ..ContainerSpec::default()
        };
        assert!(matches!(of(&unknown), Err(SpecError::Capability(name)) if name == "FLY"));
    }

    #[test]
    fn every_name_is_known_to_the_specification() {
        for name in ALL {
            assert!(Capability::from_str(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn another_user_gets_a_bound_only() {
        let sets = sets(&HashSet::from(["CHOWN"]), 1000);
        assert_eq!(sets.bounding().as_ref().unwrap().len(), 1);
        assert!(sets.effective().as_ref().unwrap().is_empty());
        assert!(sets.permitted().as_ref().unwrap().is_empty());
    }
}
