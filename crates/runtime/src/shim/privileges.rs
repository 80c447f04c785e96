//! The last steps before a program runs: what it may not do is taken away for good.

use std::io;

use libcontainer::capabilities;
use libcontainer::syscall::syscall::create_syscall;
use oci_spec::runtime::{LinuxCapabilities, LinuxSeccomp};

use super::filter::{self, Filter};
use super::wire::{Boot, Failure};

/// The policy, as the engine has written it; relative, as all files of a shim are.
const POLICY: &str = "filter.json";
/// The program made of it, for execs.
const PROGRAM: &str = "filter.bpf";

/// What a program is left with.
#[derive(Debug, Clone, Default)]
pub(super) struct Privileges {
    pub capabilities: Option<LinuxCapabilities>,
    pub filter: Option<Filter>,
    pub no_new_privileges: bool,
}

impl Privileges {
    /// Takes everything else away. The process must hold its capabilities still, and have its user already.
    pub fn give_up_others(&self) -> Result<(), Failure> {
        let wrong = |what: &str, error: &dyn std::fmt::Display| {
            Failure::Runtime(format!("{what}: {error}"))
        };
        let load = |filter: Option<&Filter>| match filter {
            Some(filter) => filter
                .load()
                .map_err(|error| wrong("setting the system call filter", &error)),
            None => Ok(()),
        };
        // Only CAP_SYS_ADMIN may set a filter, or who can win nothing by it any more: then as late as can be.
        load(self.filter.as_ref().filter(|_| !self.no_new_privileges))?;
        if let Some(sets) = &self.capabilities {
            capabilities::drop_privileges(sets, create_syscall().as_ref())
                .map_err(|error| wrong("dropping capabilities", &error))?;
        }
        load(self.filter.as_ref().filter(|_| self.no_new_privileges))
    }
}

/// Makes the container's filter, if it is to have one, and keeps it for execs.
pub(super) fn make_filter(boot: &Boot) -> Result<Option<Filter>, Failure> {
    if !boot.is_filtered {
        return Ok(None);
    }
    let json = std::fs::read(POLICY).map_err(wrong)?;
    let policy: LinuxSeccomp =
        serde_json::from_slice(&json).map_err(|error| wrong(error.into()))?;
    let filter =
        filter::compile(&policy).map_err(|error| Failure::Runtime(format!("seccomp: {error}")))?;
    std::fs::write(PROGRAM, filter.to_bytes()).map_err(wrong)?;
    Ok(Some(filter))
}

/// The container's filter, if it has one, for an exec.
pub(super) fn read_filter(boot: &Boot) -> Result<Option<Filter>, Failure> {
    if !boot.is_filtered {
        return Ok(None);
    }
    let filter = Filter::from_bytes(&std::fs::read(PROGRAM).map_err(wrong)?);
    filter
        .map(Some)
        .ok_or_else(|| wrong(io::ErrorKind::InvalidData.into()))
}

fn wrong(error: io::Error) -> Failure {
    Failure::Runtime(format!("system call filter: {error}"))
}
