//! What a start writes down before it runs a shim.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use oci_spec::runtime::{
    LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator, LinuxSyscall, PosixRlimit, Spec,
};

use super::start::{StartError, failed};
use super::wire::{Boot, ExecBase};
use super::{StartRequest, finish};
use crate::spec::{self, MountKind, SpecError, root_file};
use crate::{Exit, Host, Runtime};

/// Writes what the shim reads, over whatever an earlier run has left.
pub(super) fn prepare(host: &Host, request: StartRequest) -> Result<(), StartError> {
    let StartRequest {
        dirs,
        spec,
        runtime,
        log,
        ..
    } = request;
    let mut oci = spec::oci_spec(&spec, host)?;
    check_root(&spec)?;
    make_cwd(&spec)?;
    if let Ok(json) = fs::read(dirs.shim_json()) {
        // A shim that was killed; nobody has looked after what it left.
        for error in serde_json::from_slice(&json)
            .map(|boot| finish::clean(&boot))
            .unwrap_or_default()
        {
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
    let base = exec_base(&spec, &oci);
    let limits = if runtime == Runtime::Builtin {
        for_builtin(&spec, &mut oci)?
    } else {
        Vec::new()
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
        limits,
        base,
        dirs: dirs.clone(),
    };
    let write = |path: &Path, json: serde_json::Result<Vec<u8>>| fs::write(path, json?);
    write(&dirs.config_json(), serde_json::to_vec(&oci)).map_err(failed("writing config.json"))?;
    write(&dirs.shim_json(), serde_json::to_vec(&boot)).map_err(failed("writing shim.json"))
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
    oci: &mut Spec,
) -> Result<Vec<PosixRlimit>, StartError> {
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
    if let Some(seccomp) = oci
        .linux_mut()
        .as_mut()
        .and_then(|linux| linux.seccomp_mut().as_mut())
    {
        let mut calls = seccomp.syscalls().clone().unwrap_or_default();
        calls.iter_mut().for_each(swap_masked);
        seccomp.set_syscalls(Some(calls));
    }
    let Some(process) = oci.process_mut().as_mut() else {
        return Ok(Vec::new());
    };
    let limits = process.rlimits().clone().unwrap_or_default();
    process.set_rlimits(None);
    Ok(limits)
}

/// libcontainer takes the two values of a masked comparison the wrong way round.
fn swap_masked(call: &mut LinuxSyscall) {
    let swap = |argument: LinuxSeccompArg| {
        if argument.op() != LinuxSeccompOperator::ScmpCmpMaskedEq {
            return argument;
        }
        let swapped = LinuxSeccompArgBuilder::default()
            .index(argument.index())
            .op(argument.op())
            .value(argument.value_two().unwrap_or(0))
            .value_two(argument.value());
        // Nothing is left out, so it builds.
        swapped.build().unwrap_or(argument)
    };
    let arguments = call
        .args()
        .clone()
        .map(|arguments| arguments.into_iter().map(swap).collect());
    call.set_args(arguments);
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
