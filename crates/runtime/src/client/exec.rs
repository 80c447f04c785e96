//! From an exec in Docker's terms to a process of the runtime specification.

use std::collections::HashSet;
use std::path::PathBuf;

use oci_spec::runtime::Process;

use super::{ClientError, ExecSpec};
use crate::Dirs;
use crate::shim::wire::{Boot, ExecRequest};
use crate::spec::{SpecError, capabilities, environment, oci_size, oci_user, user};

impl From<SpecError> for ClientError {
    fn from(error: SpecError) -> ClientError {
        ClientError::Invalid(error.to_string())
    }
}

/// Describes an exec in the running container whose first process is `pid`. Users are looked up where the container
/// sees them, mounts included.
pub(super) fn describe(dirs: &Dirs, pid: u32, exec: &ExecSpec) -> Result<ExecRequest, ClientError> {
    let boot = Boot::read(dirs)?.ok_or(ClientError::Gone)?;
    let texts = exec
        .args
        .iter()
        .chain(&exec.env)
        .chain(&exec.cwd)
        .chain(&exec.user);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(ClientError::Invalid(
            "a NUL byte in the description of the exec".to_owned(),
        ));
    }
    if exec.args.first().is_none_or(String::is_empty) {
        return Err(ClientError::Invalid("No exec command specified".to_owned()));
    }
    let base = boot.base;
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let wanted = exec
        .user
        .as_deref()
        .filter(|user| !user.is_empty())
        .unwrap_or(&base.user);
    let user = user::resolve(&root, wanted, &base.groups)?;
    let names: HashSet<&str> = if exec.privileged {
        capabilities::all_held()
    } else {
        base.capabilities
            .iter()
            .map(|name| name.trim_start_matches("CAP_"))
            .collect()
    };
    let cwd = exec
        .cwd
        .as_deref()
        .filter(|cwd| !cwd.is_empty())
        .unwrap_or(&base.cwd);
    let mut process = Process::default();
    process
        .set_terminal(Some(exec.tty))
        .set_console_size(exec.console_size.filter(|_| exec.tty).and_then(oci_size))
        .set_user(oci_user(&user))
        .set_args(Some(exec.args.clone()))
        .set_env(Some(environment::merge(
            &base.hostname,
            exec.tty,
            &user.home,
            &[&base.env, &exec.env],
        )))
        .set_cwd(PathBuf::from(cwd))
        .set_capabilities(Some(capabilities::sets(&names, user.uid)))
        .set_rlimits(Some(base.rlimits))
        .set_no_new_privileges(base.no_new_privileges.then_some(true))
        .set_oom_score_adj(base.oom_score_adj);
    Ok(ExecRequest {
        id: exec.id.clone(),
        process,
        attach: exec.attach,
        console_size: exec.console_size,
    })
}
