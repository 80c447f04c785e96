//! A container's system call filter as a program for the kernel.
//!
//! libseccomp needs some tens of milliseconds of a CPU to put Docker's policy together; this needs less than one, by a
//! search tree over ranges of numbers. It also knows no calls that are younger than itself, however old the kernel.
//!
//! Calls beyond the last that the policy names fail with `ENOSYS` where the policy refuses what it doesn't name, as with
//! runc: programs try a new call first and understand this answer, but not `EPERM`.
//!
//! Where rules of one call contradict each other, those with conditions on arguments come first, in their order, then
//! the one without. Kernel side: `Documentation/userspace-api/seccomp_filter.rst`.

mod assemble;
mod machine;

use std::collections::BTreeMap;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall,
};

use assemble::Code;
use machine::Machine;

/// A filter that can't be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    #[error("action {0:?} is not supported by this runtime")]
    Action(LinuxSeccompAction),
    #[error("architecture {0} is not supported by this runtime")]
    Machine(String),
    #[error("flag {0:?} is not supported by this runtime")]
    Flag(LinuxSeccompFilterFlag),
    #[error("a condition on argument {0}: there are six")]
    Argument(usize),
    #[error("the filter is too large for the kernel")]
    TooLarge,
}

/// A program and how to load it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// `struct sock_filter`s.
    pub program: Vec<u64>,
    /// `SECCOMP_FILTER_FLAG_…`
    pub flags: u32,
}

/// Most instructions that the kernel takes.
const LARGEST: usize = 4096;

/// What happens to one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Treatment {
    conditional: Vec<(Vec<LinuxSeccompArg>, u32)>,
    always: Option<u32>,
}

/// Puts a filter together.
pub(super) fn compile(policy: &LinuxSeccomp) -> Result<Filter, FilterError> {
    let default = value(policy.default_action(), policy.default_errno_ret())?;
    let mut machines = Vec::new();
    for arch in policy.architectures().iter().flatten() {
        let machine =
            Machine::of(*arch).ok_or_else(|| FilterError::Machine(format!("{arch:?}")))?;
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    if machines.is_empty() {
        machines.push(
            Machine::native()
                .ok_or_else(|| FilterError::Machine(std::env::consts::ARCH.to_owned()))?,
        );
    }
    let mut blocks = Vec::new();
    for machine in &machines {
        let calls = calls(policy.syscalls().as_deref().unwrap_or_default(), *machine)?;
        let code = Code {
            default,
            beyond: is_strict(policy).then_some(NO_SUCH_CALL),
            narrow: machine.is_narrow(),
        };
        blocks.push((*machine, code.search(&calls)?));
    }
    let program = assemble::finish(&blocks);
    if program.len() > LARGEST {
        return Err(FilterError::TooLarge);
    }
    Ok(Filter {
        program,
        flags: flags(policy)?,
    })
}

fn flags(policy: &LinuxSeccomp) -> Result<u32, FilterError> {
    let mut flags = 0;
    for flag in policy.flags().iter().flatten() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
            other => return Err(FilterError::Flag(*other)),
        };
    }
    Ok(flags)
}

/// `SECCOMP_RET_ERRNO` with `ENOSYS`.
const NO_SUCH_CALL: u32 = 0x0005_0000 | libc::ENOSYS.unsigned_abs();

/// Calls that the policy doesn't name are refused.
fn is_strict(policy: &LinuxSeccomp) -> bool {
    !matches!(
        policy.default_action(),
        LinuxSeccompAction::ScmpActAllow
            | LinuxSeccompAction::ScmpActLog
            | LinuxSeccompAction::ScmpActTrace
    )
}

/// `SECCOMP_RET_…`
fn value(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, FilterError> {
    let data = errno.unwrap_or(libc::EPERM.unsigned_abs()) & 0xffff;
    Ok(match action {
        LinuxSeccompAction::ScmpActAllow => 0x7fff_0000,
        LinuxSeccompAction::ScmpActErrno => 0x0005_0000 | data,
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => 0,
        LinuxSeccompAction::ScmpActKillProcess => 0x8000_0000,
        LinuxSeccompAction::ScmpActTrap => 0x0003_0000,
        LinuxSeccompAction::ScmpActTrace => 0x7ff0_0000 | data,
        LinuxSeccompAction::ScmpActLog => 0x7ffc_0000,
        LinuxSeccompAction::ScmpActNotify => return Err(FilterError::Action(action)),
    })
}

/// The treatment of each call that the policy names and the machine has.
fn calls(
    rules: &[LinuxSyscall],
    machine: Machine,
) -> Result<BTreeMap<u32, Treatment>, FilterError> {
    let numbers = machine.calls();
    let mut calls: BTreeMap<u32, Treatment> = BTreeMap::new();
    for rule in rules {
        let value = value(rule.action(), rule.errno_ret())?;
        let arguments = rule.args().as_deref().unwrap_or_default();
        if let Some(wrong) = arguments.iter().find(|argument| argument.index() > 5) {
            return Err(FilterError::Argument(wrong.index()));
        }
        for name in rule.names() {
            let Some(number) = numbers.get(name.as_str()) else {
                continue;
            };
            let treatment = calls.entry(*number).or_default();
            for condition in alternatives(arguments) {
                if condition.is_empty() {
                    treatment.always = Some(value);
                } else {
                    treatment.conditional.push((condition, value));
                }
            }
        }
    }
    Ok(calls)
}

/// Conditions on one argument twice are alternatives, as runc takes them; else all must be met.
fn alternatives(arguments: &[LinuxSeccompArg]) -> Vec<Vec<LinuxSeccompArg>> {
    let twice = arguments.iter().enumerate().any(|(at, argument)| {
        arguments
            .iter()
            .take(at)
            .any(|before| before.index() == argument.index())
    });
    if twice {
        arguments.iter().map(|argument| vec![*argument]).collect()
    } else {
        vec![arguments.to_vec()]
    }
}

impl Filter {
    /// For a file of the state folder.
    pub fn to_bytes(&self) -> Vec<u8> {
        let program = self
            .program
            .iter()
            .flat_map(|instruction| instruction.to_ne_bytes());
        self.flags
            .to_ne_bytes()
            .into_iter()
            .chain(program)
            .collect()
    }

    /// The reverse.
    pub fn from_bytes(bytes: &[u8]) -> Option<Filter> {
        let (flags, program) = bytes.split_first_chunk::<4>()?;
        let (program, rest) = program.as_chunks::<8>();
        let program = program
            .iter()
            .map(|instruction| u64::from_ne_bytes(*instruction))
            .collect();
        rest.is_empty().then_some(Filter {
            program,
            flags: u32::from_ne_bytes(*flags),
        })
    }

    /// Subjects this process to the filter, for good. Needs `CAP_SYS_ADMIN` or `no_new_privs`.
    pub fn load(&self) -> std::io::Result<()> {
        crate::sys::load_filter(&self.program, self.flags)
    }
}

#[cfg(test)]
mod tests;
