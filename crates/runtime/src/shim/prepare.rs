//! What a start writes down before it runs a shim.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use oci_spec::runtime::{LinuxCapabilities, LinuxSeccomp, PosixRlimit, Spec};

use super::start::{StartError, failed};
use super::wire::{Boot, ExecBase};
use super::{StartRequest, finish};
use crate::cgroup::Cgroup;
use crate::spec::{self, MountKind, SpecError, root_file};
use crate::{Exit, Host, Runtime};

/// Writes what the shim reads, over whatever an earlier run has left.
pub(super) fn prepare(host: &Host, request: StartRequest) -> Result<(), StartError> {
    let StartRequest {
        dirs,
        mut spec,
        runtime,
        log,
        ..
    } = request;
    spec.oom_score_adj = spec.oom_score_adj.or_else(|| {
        let own = fs::read_to_string("/proc/self/oom_score_adj");
        unprotected(&own.unwrap_or_default())
    });
    let mut oci = spec::oci_spec(&spec, host)?;
    check_root(&spec)?;
    make_cwd(&spec)?;
    if let Some(boot) = Boot::read(&dirs).map_err(failed("reading shim.json"))? {
        // A shim that was killed; nobody has looked after what it left.
        for error in finish::clean(&boot) {
            tracing::warn!(error, state = %dirs.state.display(), "cleaning up before a start");
        }
    }
    Exit::forget(&dirs).map_err(failed("removing the last exit"))?;
    dirs.forget_state();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(&dirs.data)
        .map_err(failed("making the data folder"))?;
    builder
        .create(&dirs.state)
        .map_err(failed("making the state folder"))?;
    if host.cgroup_v2_only {
        make_group_above(&spec.cgroup_path())
            .map_err(failed("making the control group's parent"))?;
    }
    let base = exec_base(&spec, &oci);
    let taken = if runtime == Runtime::Builtin {
        for_builtin(&spec, host, &mut oci)?
    } else {
        Taken::default()
    };
    let uid = oci
        .process()
        .as_ref()
        .map_or(0, |process| process.user().uid());
    let boot = Boot {
        cgroup: spec.cgroup_path(),
        id: spec.id,
        runtime,
        rootfs: spec.rootfs,
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        stdin_once: spec.stdin_once,
        console_size: spec.console_size,
        log,
        uid,
        open_files: host.open_files,
        limits: taken.limits,
        capabilities: taken.capabilities,
        io_weight: taken.io_weight,
        is_filtered: taken.policy.is_some(),
        base,
        dirs: dirs.clone(),
    };
    let write = |path: &Path, json: serde_json::Result<Vec<u8>>| fs::write(path, json?);
    if let Some(policy) = &taken.policy {
        write(&dirs.filter_json(), serde_json::to_vec(policy))
            .map_err(failed("writing filter.json"))?;
    }
    write(&dirs.config_json(), serde_json::to_vec(&oci)).map_err(failed("writing config.json"))?;
    boot.write().map_err(failed("writing shim.json"))
}

/// Makes the group that a container's own lies in. libcontainer does so too, but of two containers that start at once in
/// the first moments of a machine, one would fail for the other's having made it.
fn make_group_above(path: &Path) -> std::io::Result<()> {
    let group = Cgroup::open(path).map_err(std::io::Error::other)?;
    match group.unified_folder().as_deref().and_then(Path::parent) {
        Some(above) => fs::create_dir_all(above),
        None => Ok(()),
    }
}

/// What protects an engine from being killed for want of memory must not protect its containers: the value to set where
/// `own`, the engine's, would do so.
fn unprotected(own: &str) -> Option<i32> {
    let is_protected = own.trim().parse::<i32>().is_ok_and(|score| score < 0);
    is_protected.then_some(0)
}

/// Makes the working directory, as Docker does: in the root, or in the volume that it lies in.
fn make_cwd(spec: &crate::ContainerSpec) -> Result<(), SpecError> {
    let cwd = Path::new(&spec.cwd);
    let mounts = spec
        .mounts
        .iter()
        .filter(|mount| cwd.starts_with(&mount.destination));
    let deepest = mounts.max_by_key(|mount| Path::new(&mount.destination).components().count());
    let Some(mount) = deepest else {
        return root_file::make_folder(&spec.rootfs, &spec.cwd);
    };
    match (&mount.kind, cwd.strip_prefix(&mount.destination)) {
        (MountKind::Bind { source, .. }, Ok(below)) if !mount.read_only && source.is_dir() => {
            root_file::make_folder(source, &below.to_string_lossy())
        }
        // Nothing can be made there; where it is missing the runtime says so.
        _ => Ok(()),
    }
}

/// Runtimes make nodes and links in `/dev` by plain paths: where an image has a link there, those would land on the
/// host.
fn check_root(spec: &crate::ContainerSpec) -> Result<(), StartError> {
    for name in ["dev", "proc", "sys"] {
        match fs::symlink_metadata(spec.rootfs.join(name)) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(StartError::Runtime(format!(
                    "/{name} in the image is not a folder"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts the specification right for libcontainer, and takes out what the shim does better itself.
fn for_builtin(
    spec: &crate::ContainerSpec,
    host: &Host,
    oci: &mut Spec,
) -> Result<Taken, StartError> {
    for mount in &spec.mounts {
        if let MountKind::Bind { propagation, .. } = &mount.kind {
            if mount.destination.trim_end_matches('/') == "/dev" {
                return Err(StartError::Runtime(
                    "a bind mount on /dev needs another runtime, e.g. runc".to_owned(),
                ));
            }
            if matches!(propagation.as_deref(), Some("shared" | "rshared")) {
                return Err(StartError::Runtime(
                    "shared mount propagation needs another runtime, e.g. runc".to_owned(),
                ));
            }
        }
    }
    let policy = oci
        .linux_mut()
        .as_mut()
        .and_then(|linux| linux.seccomp_mut().take());
    let mut taken = Taken {
        policy,
        ..Taken::default()
    };
    let resources = oci
        .linux_mut()
        .as_mut()
        .and_then(|linux| linux.resources_mut().as_mut());
    if let Some(io) = resources
        .filter(|_| host.cgroup_v2_only)
        .and_then(|resources| resources.block_io_mut().as_mut())
    {
        taken.io_weight = io.weight();
        io.set_weight(None);
    }
    if let Some(process) = oci.process_mut().as_mut() {
        taken.limits = process.rlimits().clone().unwrap_or_default();
        taken.capabilities = process.capabilities().clone();
        process.set_rlimits(None);
        process.set_capabilities(None);
    }
    Ok(taken)
}

/// What the shim does itself for the builtin runtime.
#[derive(Default)]
struct Taken {
    policy: Option<LinuxSeccomp>,
    limits: Vec<PosixRlimit>,
    capabilities: Option<LinuxCapabilities>,
    io_weight: Option<u16>,
}

fn exec_base(spec: &crate::ContainerSpec, oci: &Spec) -> ExecBase {
    let process = oci.process().as_ref();
    let bounding = process
        .and_then(|process| process.capabilities().as_ref())
        .and_then(|sets| sets.bounding().as_ref());
    ExecBase {
        env: spec.env.clone(),
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        groups: spec.groups.clone(),
        cwd: if spec.cwd.is_empty() {
            "/".to_owned()
        } else {
            spec.cwd.clone()
        },
        capabilities: bounding
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        no_new_privileges: spec.security.no_new_privileges,
        rlimits: process
            .and_then(|process| process.rlimits().clone())
            .unwrap_or_default(),
        oom_score_adj: spec.oom_score_adj,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_is_not_passed_on() {
        assert_eq!(unprotected("-500\n"), Some(0));
        // To lower it takes a privilege that an engine in a container may lack.
        for harmless in ["0\n", "300\n", ""] {
            assert_eq!(unprotected(harmless), None);
        }
    }
}
