//! Which devices a container may use, on cgroup v2: a small program that the kernel asks at every `open` and `mknod`.
//!
//! libcontainer can do this only with a C library that we don't want; without, it would leave every device of the
//! host open to whoever makes a node for it. Kernel side: `Documentation/admin-guide/cgroup-v2.rst`, "Device
//! controller"; instructions: `Documentation/bpf/standardization/instruction-set.rst`.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::sys;

/// Most rules; each is at most 8 instructions.
const MOST_RULES: usize = 4096;

/// Lets the processes of the group use only what `rules` allow, the last matching rule deciding.
pub(super) fn apply(group: &Path, rules: &[LinuxDeviceCgroup]) -> io::Result<()> {
    if rules.len() > MOST_RULES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many device rules",
        ));
    }
    let program: OwnedFd = sys::load_device_program(&program(rules))?;
    let group = File::open(group)?;
    sys::attach_device_program(group.as_raw_fd(), program.as_raw_fd())
}

// Registers.
const RESULT: u8 = 0;
/// At the start: where the question is.
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

// Operations, all on 32 bits.
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xbc;
const MOVE_NUMBER: u8 = 0xb4;
const AND_NUMBER: u8 = 0x54;
const SHIFT_RIGHT_NUMBER: u8 = 0x74;
const JUMP_UNLESS_NUMBER: u8 = 0x56;
const JUMP_UNLESS: u8 = 0x5e;
const EXIT: u8 = 0x95;

fn instruction(operation: u8, to: u8, from: u8, offset: i16, number: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = number.to_le_bytes();
    u64::from_ne_bytes([operation, to | (from << 4), low, high, a, b, c, d])
}

fn program(rules: &[LinuxDeviceCgroup]) -> Vec<u64> {
    let mut program = vec![
        // The low half says which kind of device, the high half what is to be done.
        instruction(LOAD, KIND, CONTEXT, 0, 0),
        instruction(AND_NUMBER, KIND, 0, 0, 0xffff),
        instruction(LOAD, ACCESS, CONTEXT, 0, 0),
        instruction(SHIFT_RIGHT_NUMBER, ACCESS, 0, 0, 16),
        instruction(LOAD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let code = one(rule);
        let always = code.len() == 2;
        program.extend(code);
        if always {
            // The kernel refuses programs with instructions that are never reached.
            return program;
        }
    }
    program.push(instruction(MOVE_NUMBER, RESULT, 0, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    program
}

/// A rule: conditions that jump behind it, then its decision.
fn one(rule: &LinuxDeviceCgroup) -> Vec<u64> {
    let mut conditions: Vec<(u8, u8, u8, i32)> = Vec::new();
    let mut before = Vec::new();
    match rule.typ() {
        Some(LinuxDeviceType::B) => conditions.push((JUMP_UNLESS_NUMBER, KIND, 0, 1)),
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => {
            conditions.push((JUMP_UNLESS_NUMBER, KIND, 0, 2))
        }
        // All kinds; pipes are no devices to the kernel.
        _ => {}
    }
    let number =
        |number: i64| i32::from_ne_bytes(u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes());
    if let Some(major) = rule.major().filter(|major| *major >= 0) {
        conditions.push((JUMP_UNLESS_NUMBER, MAJOR, 0, number(major)));
    }
    if let Some(minor) = rule.minor().filter(|minor| *minor >= 0) {
        conditions.push((JUMP_UNLESS_NUMBER, MINOR, 0, number(minor)));
    }
    let access = rule.access().as_deref().unwrap_or("rwm");
    let bits = [('m', 1), ('r', 2), ('w', 4)]
        .iter()
        .filter(|(letter, _)| access.contains(*letter))
        .map(|(_, bit)| bit)
        .sum();
    if bits != 7 {
        // Everything that is asked must be among what the rule names.
        before.push(instruction(MOVE, CONTEXT, ACCESS, 0, 0));
        before.push(instruction(AND_NUMBER, CONTEXT, 0, 0, bits));
        conditions.push((JUMP_UNLESS, CONTEXT, ACCESS, 0));
    }
    let decision = [
        instruction(MOVE_NUMBER, RESULT, 0, 0, i32::from(rule.allow())),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    let mut code = before;
    let count = conditions.len();
    for (index, (operation, register, other, number)) in conditions.into_iter().enumerate() {
        let behind = i16::try_from(count - index - 1 + decision.len()).unwrap_or(i16::MAX);
        code.push(instruction(operation, register, other, behind, number));
    }
    code.extend(decision);
    code
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn rule(
        allow: bool,
        kind: LinuxDeviceType,
        major: Option<i64>,
        minor: Option<i64>,
        access: &str,
    ) -> LinuxDeviceCgroup {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(allow)
            .set_typ(Some(kind))
            .set_major(major)
            .set_minor(minor)
            .set_access(Some(access.into()));
        rule
    }

    /// Needs root and a cgroup v2 hierarchy, as on every machine that runs containers.
    #[test]
    fn the_kernel_asks_the_program() {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = table
            .lines()
            .find(|line| line.contains(" - cgroup2 "))
            .expect("no cgroup v2 hierarchy");
        let root = Path::new(line.split(' ').nth(4).unwrap());
        let group = root.join(format!("gantry-test-devices-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        let rules = [
            rule(false, LinuxDeviceType::A, None, None, "rwm"),
            rule(true, LinuxDeviceType::C, None, None, "m"),
            rule(true, LinuxDeviceType::C, Some(1), Some(3), "rwm"),
            rule(true, LinuxDeviceType::C, Some(1), Some(5), "r"),
        ];
        let applied = apply(&group, &rules);
        let script = format!(
            "echo $$ > {}/cgroup.procs || exit 9
             : < /dev/null && : > /dev/null && : < /dev/zero || exit 1
             (: > /dev/zero) 2>/dev/null && exit 2
             (: < /dev/urandom) 2>/dev/null && exit 3
             exit 0",
            group.display()
        );
        let code = Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .code();
        let _ = std::fs::remove_dir(&group);
        applied.unwrap();
        assert_eq!(code, Some(0));
    }
}
