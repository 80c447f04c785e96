//! From a container in Docker's terms to the OCI runtime specification, with Docker's defaults.
//!
//! Pure but for reading the root's `passwd` and `group` (bounded, beneath the root) and the host's devices.
//! Format: <https://github.com/opencontainers/runtime-spec/blob/main/config.md>.

pub(crate) mod capabilities;
mod container;
mod devices;
pub(crate) mod environment;
mod error;
mod limits;
mod mounts;
mod resources;
pub(crate) mod root_file;
mod seccomp;
mod seccomp_default;
pub(crate) mod user;

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::runtime::{
    Linux, LinuxNamespace, LinuxNamespaceType, Process, Root, Spec, User as OciUser,
};

use crate::Host;

pub use container::*;
pub use error::SpecError;
pub use resources::*;

/// The user and group that `user` (`""`, `user`, `user:group`; names or ids) means in the root at `root`.
///
/// # Errors
/// [`SpecError`] where it is unknown there, or its `passwd` or `group` can't be read.
pub fn owner(root: &std::path::Path, user: &str) -> Result<(u32, u32), SpecError> {
    let user = user::resolve(root, user, &[])?;
    Ok((user.uid, user.gid))
}

/// The OCI specification of a container, with Docker's defaults. Reads the root, so the root must be mounted.
///
/// # Errors
/// [`SpecError`].
pub fn oci_spec(spec: &ContainerSpec, host: &Host) -> Result<Spec, SpecError> {
    check(spec)?;
    let names = capabilities::of(spec)?;
    let user = user::resolve(&spec.rootfs, &spec.user, &spec.groups)?;
    let mut root = Root::default();
    root.set_path(spec.rootfs.clone())
        .set_readonly(Some(spec.read_only));
    let mut oci = Spec::default();
    oci.set_version("1.0.2".to_owned())
        .set_root(Some(root))
        .set_mounts(Some(mounts::all(spec, host)?))
        .set_process(Some(process(spec, &user, &names)?))
        .set_hostname(None)
        .set_annotations(
            (!spec.annotations.is_empty()).then(|| spec.annotations.clone().into_iter().collect()),
        )
        .set_linux(Some(linux(spec, host, &names)?));
    if spec.namespaces.uts == Namespace::Private {
        oci.set_hostname(Some(spec.hostname.clone()).filter(|name| !name.is_empty()));
        oci.set_domainname(Some(spec.domainname.clone()).filter(|name| !name.is_empty()));
    }
    Ok(oci)
}

fn check(spec: &ContainerSpec) -> Result<(), SpecError> {
    if spec.args.first().is_none_or(String::is_empty) {
        return Err(SpecError::NoCommand);
    }
    let nul = |text: &String| text.contains('\0');
    if spec.args.iter().any(nul) {
        return Err(SpecError::Nul {
            what: "the command",
        });
    }
    if spec.env.iter().any(nul) {
        return Err(SpecError::Nul {
            what: "the environment",
        });
    }
    if nul(&spec.cwd) {
        return Err(SpecError::Nul {
            what: "the working directory",
        });
    }
    Ok(())
}

fn process(
    spec: &ContainerSpec,
    user: &user::User,
    capabilities: &std::collections::HashSet<&str>,
) -> Result<Process, SpecError> {
    let mut process = Process::default();
    let cwd = if spec.cwd.is_empty() { "/" } else { &spec.cwd };
    let args = if spec.init {
        ["/sbin/docker-init", "--"]
            .into_iter()
            .map(str::to_owned)
            .chain(spec.args.iter().cloned())
            .collect()
    } else {
        spec.args.clone()
    };
    process
        .set_terminal(Some(spec.tty))
        .set_console_size(spec.console_size.filter(|_| spec.tty).and_then(oci_size))
        .set_user(oci_user(user))
        .set_args(Some(args))
        .set_env(Some(environment::merge(
            &spec.hostname,
            spec.tty,
            &user.home,
            &[&spec.env],
        )))
        .set_cwd(PathBuf::from(cwd))
        .set_capabilities(Some(capabilities::sets(capabilities, user.uid)))
        .set_rlimits(Some(limits::ulimits(&spec.ulimits)?))
        // libcontainer takes even an explicit `false` for a wish to set the filter late, when it no longer may.
        .set_no_new_privileges(spec.security.no_new_privileges.then_some(true))
        .set_oom_score_adj(spec.oom_score_adj);
    Ok(process)
}

pub(crate) fn oci_size(size: ConsoleSize) -> Option<oci_spec::runtime::Box> {
    let builder = oci_spec::runtime::BoxBuilder::default();
    builder.height(size.height).width(size.width).build().ok()
}

pub(crate) fn oci_user(user: &user::User) -> OciUser {
    let mut oci = OciUser::default();
    oci.set_uid(user.uid)
        .set_gid(user.gid)
        .set_additional_gids(Some(user.groups.clone()));
    oci
}

fn linux(
    spec: &ContainerSpec,
    host: &Host,
    capabilities: &std::collections::HashSet<&str>,
) -> Result<Linux, SpecError> {
    let (nodes, rules) = devices::of(spec)?;
    let mut resources = limits::resources(&spec.resources, host.cgroup_v2_only)?;
    resources.set_devices(Some(rules));
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces(spec, host)))
        .set_resources(Some(resources))
        .set_cgroups_path(Some(spec.cgroup_path()))
        .set_devices((!nodes.is_empty()).then_some(nodes))
        .set_seccomp(seccomp::of(spec, capabilities)?)
        .set_sysctl(Some(sysctls(spec)?).filter(|sysctls| !sysctls.is_empty()))
        .set_masked_paths(Some(mounts::masked(spec, host)))
        .set_readonly_paths(Some(mounts::read_only(spec, host)))
        .set_rootfs_propagation(propagation(spec).map(str::to_owned));
    Ok(linux)
}

fn namespaces(spec: &ContainerSpec, host: &Host) -> Vec<LinuxNamespace> {
    let own = |kind| Some((kind, None));
    let wanted = &spec.namespaces;
    let plain = |kind, namespace: &Namespace| match namespace {
        Namespace::Private => Some((kind, None)),
        Namespace::Host => None,
        Namespace::Path(path) => Some((kind, Some(path.clone()))),
    };
    let network = match &wanted.network {
        NetworkNamespace::New => own(LinuxNamespaceType::Network),
        NetworkNamespace::Host => None,
        NetworkNamespace::Path(path) | NetworkNamespace::Joined(path) => {
            Some((LinuxNamespaceType::Network, Some(path.clone())))
        }
    };
    let ipc = match &wanted.ipc {
        IpcNamespace::Private | IpcNamespace::NoShm => own(LinuxNamespaceType::Ipc),
        IpcNamespace::Host => None,
        IpcNamespace::Shared { ns, .. } => Some((LinuxNamespaceType::Ipc, ns.clone())),
    };
    let by_default = if host.cgroup_v2_only {
        Namespace::Private
    } else {
        Namespace::Host
    };
    let cgroup = plain(
        LinuxNamespaceType::Cgroup,
        wanted.cgroup.as_ref().unwrap_or(&by_default),
    );
    let all = [
        own(LinuxNamespaceType::Mount),
        network,
        plain(LinuxNamespaceType::Uts, &wanted.uts),
        plain(LinuxNamespaceType::Pid, &wanted.pid),
        ipc,
        cgroup,
    ];
    let to_oci = |(kind, path): (LinuxNamespaceType, Option<PathBuf>)| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(kind).set_path(path);
        namespace
    };
    all.into_iter().flatten().map(to_oci).collect()
}

/// `--sysctl`, and what lets an unprivileged process bind low ports and ping in a network of its own, as Docker does.
fn sysctls(spec: &ContainerSpec) -> Result<HashMap<String, String>, SpecError> {
    let own_network = spec.namespaces.network != NetworkNamespace::Host;
    let joins = matches!(spec.namespaces.network, NetworkNamespace::Joined(_));
    let mut sysctls = HashMap::new();
    if own_network && !joins {
        sysctls.insert(
            "net.ipv4.ip_unprivileged_port_start".to_owned(),
            "0".to_owned(),
        );
        sysctls.insert(
            "net.ipv4.ping_group_range".to_owned(),
            "0 2147483647".to_owned(),
        );
    }
    for (name, value) in &spec.sysctls {
        const IPC: [&str; 8] = [
            "kernel.msgmax",
            "kernel.msgmnb",
            "kernel.msgmni",
            "kernel.sem",
            "kernel.shmall",
            "kernel.shmmax",
            "kernel.shmmni",
            "kernel.shm_rmid_forced",
        ];
        let ipc = IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.");
        let allowed = (ipc && spec.namespaces.ipc != IpcNamespace::Host)
            || (name.starts_with("net.") && own_network)
            || (name == "kernel.domainname" && spec.namespaces.uts == Namespace::Private);
        if !allowed
            || name.contains("..")
            || name.contains(['/', '\0', '\n'])
            || value.contains(['\0', '\n'])
        {
            return Err(SpecError::Sysctl(name.clone()));
        }
        sysctls.insert(name.clone(), value.clone());
    }
    Ok(sysctls)
}

/// How the root is cut off from the host's later mounts: altogether, unless a bind mount wants to see them.
fn propagation(spec: &ContainerSpec) -> Option<&'static str> {
    let wants = |words: &[&str]| {
        spec.mounts.iter().any(|mount| {
            matches!(&mount.kind, MountKind::Bind { propagation: Some(word), .. } if words.contains(&word.as_str()))
        })
    };
    if wants(&["shared", "rshared"]) {
        Some("shared")
    } else if wants(&["slave", "rslave"]) {
        Some("slave")
    } else {
        Some("private")
    }
}

#[cfg(test)]
mod tests;
