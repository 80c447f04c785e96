//! The system call filter of a container: Docker's default policy, or a profile in Docker's JSON format.
//!
//! Format: <https://docs.docker.com/engine/security/seccomp/>.

use std::collections::HashSet;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall,
    LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::seccomp_default::{Argument, FAMILIES, PERSONALITIES, RULES, Rule};
use super::{ContainerSpec, Seccomp, SpecError};

/// Largest profile, in bytes.
const LARGEST: usize = 1 << 20;

/// The filter of a container that holds `capabilities` (names without `CAP_`), if it has one.
pub(super) fn of(
    spec: &ContainerSpec,
    capabilities: &HashSet<&str>,
) -> Result<Option<LinuxSeccomp>, SpecError> {
    match &spec.security.seccomp {
        Seccomp::Unconfined => Ok(None),
        // One that was asked for counts for a privileged container, too.
        Seccomp::Default if spec.privileged => Ok(None),
        Seccomp::Default => default_filter(machine(), capabilities).map(Some),
        Seccomp::Profile(text) => custom_filter(text, machine(), capabilities).map(Some),
    }
}

/// This machine in the words of profiles, which are Go's.
fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "x86",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The machine's own calling conventions: the first is its own, the rest those it runs besides.
fn conventions(machine: &str) -> Vec<Arch> {
    match machine {
        "amd64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "arm64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        "s390x" => vec![Arch::ScmpArchS390x, Arch::ScmpArchS390],
        "riscv64" => vec![Arch::ScmpArchRiscv64],
        "ppc64le" => vec![Arch::ScmpArchPpc64le],
        "loong64" => vec![Arch::ScmpArchLoongarch64],
        _ => vec![Arch::ScmpArchNative],
    }
}

fn oci(error: &oci_spec::OciSpecError) -> SpecError {
    SpecError::Seccomp(error.to_string())
}

fn default_filter(machine: &str, capabilities: &HashSet<&str>) -> Result<LinuxSeccomp, SpecError> {
    let mut calls = Vec::new();
    for rule in RULES
        .iter()
        .filter(|rule| applies(rule, machine, capabilities))
    {
        let argument = rule.argument.map(argument).transpose()?;
        let action = if rule.errno.is_some() {
            LinuxSeccompAction::ScmpActErrno
        } else {
            LinuxSeccompAction::ScmpActAllow
        };
        let names = rule.names.split_whitespace().map(str::to_owned).collect();
        calls.push(call(
            names,
            action,
            rule.errno,
            argument.into_iter().collect(),
        )?);
    }
    for (name, values) in [
        ("socket", &FAMILIES[..]),
        ("personality", &PERSONALITIES[..]),
    ] {
        for value in values {
            let only = argument(Argument::Equal(0, *value))?;
            calls.push(call(
                vec![name.to_owned()],
                LinuxSeccompAction::ScmpActAllow,
                None,
                vec![only],
            )?);
        }
    }
    let filter = LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(1u32)
        .architectures(conventions(machine))
        .syscalls(calls);
    filter.build().map_err(|error| oci(&error))
}

fn applies(rule: &Rule, machine: &str, capabilities: &HashSet<&str>) -> bool {
    let holds = |name: &str| capabilities.contains(name.strip_prefix("CAP_").unwrap_or(name));
    rule.with.is_none_or(holds)
        && !rule.without.is_some_and(holds)
        && (rule.only_on.is_empty() || rule.only_on.contains(&machine))
        && !rule.not_on.contains(&machine)
}

fn argument(condition: Argument) -> Result<LinuxSeccompArg, SpecError> {
    let builder = LinuxSeccompArgBuilder::default();
    let built = match condition {
        Argument::Equal(index, value) => builder
            .index(index)
            .value(value)
            .op(LinuxSeccompOperator::ScmpCmpEq),
        Argument::Less(index, value) => builder
            .index(index)
            .value(value)
            .op(LinuxSeccompOperator::ScmpCmpLt),
        // The mask is the first value, what must be left of the argument the second.
        Argument::NoneOf(index, mask) => builder
            .index(index)
            .value(mask)
            .value_two(0u64)
            .op(LinuxSeccompOperator::ScmpCmpMaskedEq),
    };
    built.build().map_err(|error| oci(&error))
}

fn call(
    names: Vec<String>,
    action: LinuxSeccompAction,
    errno: Option<u32>,
    arguments: Vec<LinuxSeccompArg>,
) -> Result<LinuxSyscall, SpecError> {
    let mut call = LinuxSyscallBuilder::default()
        .names(names)
        .action(action)
        .build()
        .map_err(|error| oci(&error))?;
    call.set_errno_ret(errno);
    call.set_args((!arguments.is_empty()).then_some(arguments));
    Ok(call)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<Arch>>,
    arch_map: Option<Vec<ArchMap>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<String>,
    syscalls: Option<Vec<ProfileCall>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileCall {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    args: Option<Vec<LinuxSeccompArg>>,
    includes: Option<Filter>,
    excludes: Option<Filter>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

fn custom_filter(
    text: &str,
    machine: &str,
    capabilities: &HashSet<&str>,
) -> Result<LinuxSeccomp, SpecError> {
    let wrong = |reason: &str| SpecError::Seccomp(reason.to_owned());
    if text.len() > LARGEST {
        return Err(wrong("larger than 1 MiB"));
    }
    let profile: Profile =
        serde_json::from_str(text).map_err(|error| SpecError::Seccomp(error.to_string()))?;
    if profile.listener_path.is_some() {
        return Err(wrong("listenerPath is not supported"));
    }
    if profile.architectures.is_some() && profile.arch_map.is_some() {
        return Err(wrong("both 'architectures' and 'archMap' are specified"));
    }
    let architectures = match profile.arch_map {
        None => profile.architectures.unwrap_or_default(),
        Some(map) => {
            let own = conventions(machine).first().copied();
            let entry = map
                .into_iter()
                .find(|entry| Some(entry.architecture) == own);
            entry.map_or_else(Vec::new, |entry| {
                std::iter::once(entry.architecture)
                    .chain(entry.sub_architectures.unwrap_or_default())
                    .collect()
            })
        }
    };
    let mut calls = Vec::new();
    for rule in profile.syscalls.unwrap_or_default() {
        let names = match (rule.name, rule.names.unwrap_or_default()) {
            (Some(_), names) if !names.is_empty() => {
                return Err(wrong("both 'name' and 'names' are specified"));
            }
            (Some(name), _) => vec![name],
            (None, names) => names,
        };
        let includes = rule.includes.unwrap_or_default();
        let excludes = rule.excludes.unwrap_or_default();
        if names.is_empty()
            || !included(&includes, machine, capabilities)?
            || excluded(&excludes, machine, capabilities)?
        {
            continue;
        }
        calls.push(call(
            names,
            rule.action,
            rule.errno_ret,
            rule.args.unwrap_or_default(),
        )?);
    }
    let mut filter = LinuxSeccompBuilder::default()
        .default_action(profile.default_action)
        .architectures(architectures)
        .syscalls(calls)
        .build()
        .map_err(|error| oci(&error))?;
    filter.set_default_errno_ret(profile.default_errno_ret);
    filter.set_flags(profile.flags);
    Ok(filter)
}

fn included(
    filter: &Filter,
    machine: &str,
    capabilities: &HashSet<&str>,
) -> Result<bool, SpecError> {
    let arch = filter
        .arches
        .as_ref()
        .is_none_or(|arches| arches.is_empty() || arches.iter().any(|a| a == machine));
    let caps = filter
        .caps
        .iter()
        .flatten()
        .all(|cap| capabilities.contains(cap.strip_prefix("CAP_").unwrap_or(cap)));
    Ok(arch
        && caps
        && filter
            .min_kernel
            .as_deref()
            .map_or(Ok(true), kernel_at_least)?)
}

fn excluded(
    filter: &Filter,
    machine: &str,
    capabilities: &HashSet<&str>,
) -> Result<bool, SpecError> {
    let arch = filter.arches.iter().flatten().any(|arch| arch == machine);
    let caps = filter
        .caps
        .iter()
        .flatten()
        .any(|cap| capabilities.contains(cap.strip_prefix("CAP_").unwrap_or(cap)));
    Ok(arch
        || caps
        || filter
            .min_kernel
            .as_deref()
            .map_or(Ok(false), kernel_at_least)?)
}

fn kernel_at_least(wanted: &str) -> Result<bool, SpecError> {
    let wanted = version(wanted)
        .ok_or_else(|| SpecError::Seccomp(format!("invalid kernel version {wanted:?}")))?;
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    Ok(version(&release).is_some_and(|running| running >= wanted))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(filter: &LinuxSeccomp, name: &str) -> bool {
        filter.syscalls().iter().flatten().any(|call| {
            call.action() == LinuxSeccompAction::ScmpActAllow
                && call.args().is_none()
                && call.names().iter().any(|n| n == name)
        })
    }

    #[test]
    fn the_default_policy_depends_on_capabilities() {
        let none = default_filter("amd64", &HashSet::new()).unwrap();
        for name in [
            "mount",
            "unshare",
            "keyctl",
            "add_key",
            "io_uring_setup",
            "bpf",
            "chroot",
            "socket",
            "clone",
        ] {
            assert!(!allowed(&none, name), "{name}");
        }
        for name in ["read", "execve", "arch_prctl", "ptrace", "futex"] {
            assert!(allowed(&none, name), "{name}");
        }
        let admin = default_filter("amd64", &HashSet::from(["SYS_ADMIN", "SYS_CHROOT"])).unwrap();
        for name in ["mount", "unshare", "clone", "clone3", "chroot"] {
            assert!(allowed(&admin, name), "{name}");
        }
        assert!(!allowed(
            &default_filter("arm64", &HashSet::new()).unwrap(),
            "arch_prctl"
        ));
    }

    #[test]
    fn a_privileged_container_has_the_profile_that_was_asked_for() {
        let filter = |seccomp| {
            let mut spec = ContainerSpec {
                privileged: true,
                ..ContainerSpec::default()
            };
            spec.security.seccomp = seccomp;
            of(&spec, &HashSet::new()).unwrap()
        };
        let text = r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#.to_owned();
        assert!(filter(Seccomp::Profile(text)).is_some());
        assert!(filter(Seccomp::Default).is_none());
        assert!(filter(Seccomp::Unconfined).is_none());
    }

    #[test]
    fn no_name_is_written_twice_without_condition() {
        let filter = default_filter("amd64", &HashSet::new()).unwrap();
        let mut seen = HashSet::new();
        for call in filter
            .syscalls()
            .iter()
            .flatten()
            .filter(|call| call.args().is_none())
        {
            for name in call.names() {
                assert!(seen.insert(name), "{name}");
            }
        }
        assert!(seen.len() > 330, "{}", seen.len());
    }

    #[test]
    fn profiles_in_dockers_format() {
        let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
            "syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO","errnoRet":13},
                        {"names":["chown"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_CHOWN"]}},
                        {"names":["stime"],"action":"SCMP_ACT_ERRNO","includes":{"minKernel":"99.1"}}]}"#;
        let filter = custom_filter(text, "amd64", &HashSet::from(["CHOWN"])).unwrap();
        assert_eq!(filter.architectures().as_ref().unwrap().len(), 2);
        let calls = filter.syscalls().as_ref().unwrap();
        assert_eq!((calls.len(), calls[0].errno_ret()), (1, Some(13)));
        for bad in ["", "{}", r#"{"defaultAction":"SCMP_ACT_FLY"}"#] {
            assert!(
                matches!(
                    custom_filter(bad, "amd64", &HashSet::new()),
                    Err(SpecError::Seccomp(_))
                ),
                "{bad}"
            );
        }
    }
}
