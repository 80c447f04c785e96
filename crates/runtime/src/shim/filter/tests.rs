use oci_spec::runtime::{Arch, LinuxSeccompOperator, Spec};
use proptest::prelude::*;

use super::*;
use crate::{ContainerSpec, Host};

/// The kernel's side: runs a program on a call.
fn run(program: &[u64], token: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(token.to_ne_bytes());
    data.extend([0; 8]);
    arguments
        .iter()
        .for_each(|argument| data.extend(argument.to_ne_bytes()));
    let (mut at, mut accumulator) = (0, 0u32);
    loop {
        let [a, b, yes, no, c, d, e, f] = program[at].to_ne_bytes();
        let value = u32::from_ne_bytes([c, d, e, f]);
        at += 1;
        let choose = |is: bool| usize::from(if is { yes } else { no });
        match u16::from_ne_bytes([a, b]) {
            0x20 => {
                accumulator = u32::from_ne_bytes(*data[value as usize..].first_chunk().unwrap())
            }
            0x05 => at += value as usize,
            0x15 => at += choose(accumulator == value),
            0x25 => at += choose(accumulator > value),
            0x35 => at += choose(accumulator >= value),
            0x45 => at += choose(accumulator & value != 0),
            0x54 => accumulator &= value,
            0x06 => return value,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn default_policy(capabilities: &[&str]) -> LinuxSeccomp {
    let root = tempfile::tempdir().unwrap();
    let spec = ContainerSpec {
        rootfs: root.path().to_owned(),
        args: vec!["x".into()],
        cap_add: capabilities.iter().map(ToString::to_string).collect(),
        ..ContainerSpec::default()
    };
    let host = Host {
        shim: "/s".into(),
        init: "/i".into(),
        cgroup_v1_mounts: Vec::new(),
        cgroup_v2_only: true,
        thermal_throttles: Vec::new(),
        open_files: None,
    };
    let oci: Spec = crate::spec::oci_spec(&spec, &host).unwrap();
    oci.linux().as_ref().unwrap().seccomp().clone().unwrap()
}

/// What a policy's words say, rule by rule.
struct Words<'a> {
    machine: Machine,
    rules: BTreeMap<u32, Vec<&'a LinuxSyscall>>,
}

impl Words<'_> {
    fn of(policy: &LinuxSeccomp, machine: Machine) -> Words<'_> {
        let numbers = machine.calls();
        let mut rules: BTreeMap<u32, Vec<&LinuxSyscall>> = BTreeMap::new();
        for rule in policy.syscalls().iter().flatten() {
            let named = rule.names().iter();
            for number in named.filter_map(|name| numbers.get(name.as_str())) {
                rules.entry(*number).or_default().push(rule);
            }
        }
        Words { machine, rules }
    }

    fn is_met(&self, condition: &LinuxSeccompArg, arguments: [u64; 6]) -> bool {
        let half = |value: u64| {
            if self.machine.is_narrow() {
                value & 0xffff_ffff
            } else {
                value
            }
        };
        let (found, value) = (half(arguments[condition.index()]), half(condition.value()));
        match condition.op() {
            LinuxSeccompOperator::ScmpCmpEq => found == value,
            LinuxSeccompOperator::ScmpCmpLt => found < value,
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                found & value == condition.value_two().unwrap_or(0)
            }
            other => panic!("{other:?}"),
        }
    }

    fn decide(&self, number: u32, arguments: [u64; 6]) -> u32 {
        let Some(rules) = self.rules.get(&number) else {
            let is_beyond = self.rules.keys().all(|last| number > *last);
            return 0x0005_0000 | if is_beyond { 38 } else { 1 };
        };
        let has_conditions = |rule: &&&LinuxSyscall| rule.args().is_some();
        let conditional = rules.iter().filter(has_conditions).find(|rule| {
            let mut conditions = rule.args().iter().flatten();
            conditions.all(|condition| self.is_met(condition, arguments))
        });
        let plain = || rules.iter().find(|rule| !has_conditions(rule));
        match conditional.or_else(plain) {
            Some(rule) if rule.action() == LinuxSeccompAction::ScmpActAllow => 0x7fff_0000,
            Some(rule) => 0x0005_0000 | rule.errno_ret().unwrap(),
            None => 0x0005_0001,
        }
    }
}

/// Every number of every machine, with arguments at the borders of Docker's conditions.
#[test]
fn dockers_policy_decides_as_it_says() {
    for capabilities in [&[][..], &["SYS_ADMIN", "BPF"][..]] {
        let mut policy = default_policy(capabilities);
        let machines = [
            (Arch::ScmpArchX86_64, 0, 600),
            (Arch::ScmpArchX86, 0, 600),
            (Arch::ScmpArchX32, 0x4000_0000, 0x4000_0240),
            (Arch::ScmpArchAarch64, 0, 600),
        ];
        policy.set_architectures(Some(machines.iter().map(|(arch, ..)| *arch).collect()));
        let program = compile(&policy).unwrap().program;
        assert!(program.len() < 2000, "{}", program.len());
        for (arch, from, to) in machines {
            let machine = Machine::of(arch).unwrap();
            let words = Words::of(&policy, machine);
            for number in from..to {
                for first in [
                    0,
                    8,
                    11,
                    12,
                    13,
                    38,
                    40,
                    0x2_0000,
                    0x1000_0000,
                    0xffff_ffff,
                    0x1_0000_0000,
                    u64::MAX,
                ] {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    assert_eq!(
                        run(&program, machine.token(), number, arguments),
                        words.decide(number, arguments),
                        "{arch:?} number {number:#x} first {first:#x} with {capabilities:?}"
                    );
                }
            }
        }
        let mips = 0x4000_0008;
        assert_eq!(run(&program, mips, 1, [0; 6]), 0, "another machine");
    }
}

/// Numbers from the kernel's tables, of calls young and old.
#[test]
fn calls_have_their_numbers() {
    let of = |machine: Machine, name: &str| machine.calls().get(name).copied();
    for (machine, name, number) in [
        (Machine::X86_64, "write", 1),
        (Machine::X86_64, "clone3", 435),
        (Machine::X86_64, "statmount", 457),
        (Machine::X86_64, "mseal", 462),
        (Machine::X86, "socketcall", 102),
        (Machine::X86, "socket", 359),
        (Machine::X86, "umount", 22),
        (Machine::X32, "write", 0x4000_0001),
        (Machine::X32, "ioctl", 0x4000_0202),
        (Machine::Arm, "set_tls", 0xf_0005),
        (Machine::Aarch64, "newfstatat", 79),
        (Machine::Aarch64, "mseal", 462),
        (Machine::Riscv64, "riscv_hwprobe", 258),
        (Machine::Loongarch64, "openat", 56),
    ] {
        assert_eq!(of(machine, name), Some(number), "{machine:?} {name}");
    }
    assert_eq!(of(Machine::Aarch64, "open"), None);
    // The last of a table, too.
    assert_eq!(of(Machine::X86_64, "file_setattr"), Some(469));
}

/// A new call is tried first, and known to be missing by `ENOSYS` only.
#[test]
fn calls_that_are_younger_than_the_policy_do_not_exist() {
    let beyond = |action: &str| {
        let text = format!(
            r#"{{"defaultAction":"{action}","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
                {{"names":["mseal","write"],"action":"SCMP_ACT_ALLOW"}}]}}"#
        );
        let policy: LinuxSeccomp = serde_json::from_str(&text).unwrap();
        let program = compile(&policy).unwrap().program;
        [461, 462, 463, 9999, 0x3fff_ffff]
            .map(|number| run(&program, Machine::X86_64.token(), number, [0; 6]))
    };
    let (allow, refuse, missing) = (0x7fff_0000, 0x0005_0001, 0x0005_0026);
    assert_eq!(
        beyond("SCMP_ACT_ERRNO"),
        [refuse, allow, missing, missing, missing]
    );
    assert_eq!(
        beyond("SCMP_ACT_KILL"),
        [0, allow, missing, missing, missing]
    );
    assert_eq!(beyond("SCMP_ACT_ALLOW"), [allow; 5]);
    let log = 0x7ffc_0000;
    assert_eq!(beyond("SCMP_ACT_LOG"), [log, allow, log, log, log]);
}

#[test]
fn what_the_kernel_cannot_do_here_is_said() {
    let policy = |text: &str| serde_json::from_str::<LinuxSeccomp>(text).unwrap();
    let notify = policy(r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#);
    assert!(matches!(compile(&notify), Err(FilterError::Action(_))));
    let mips = policy(r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_MIPS"]}"#);
    assert!(matches!(compile(&mips), Err(FilterError::Machine(_))));
    let seventh = policy(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!(compile(&seventh), Err(FilterError::Argument(6)));
}

#[test]
fn filters_survive_a_file() {
    let filter = compile(&default_policy(&[])).unwrap();
    assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
    assert_eq!(Filter::from_bytes(&[1, 2, 3]), None);
    assert_eq!(Filter::from_bytes(&[0; 9]), None);
}

type Operator = (&'static str, fn(u64, u64, u64) -> bool);

fn operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        Just((
            "SCMP_CMP_EQ",
            (|x, a, _| x == a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_NE",
            (|x, a, _| x != a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_LT",
            (|x, a, _| x < a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_LE",
            (|x, a, _| x <= a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_GT",
            (|x, a, _| x > a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_GE",
            (|x, a, _| x >= a) as fn(u64, u64, u64) -> bool
        )),
        Just((
            "SCMP_CMP_MASKED_EQ",
            (|x, a, b| x & a == b & a) as fn(u64, u64, u64) -> bool
        )),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..4,
        Just(0xffff_ffff),
        Just(0x1_0000_0000),
        Just(0x1_0000_0001),
        any::<u64>()
    ]
}

proptest! {
    #[test]
    fn conditions_mean_what_they_say(
        one in (operator(), number(), number()),
        two in (operator(), number(), number()),
        first in number(),
        second in number(),
    ) {
        let argument = |index: usize, ((name, _), a, b): &(Operator, u64, u64)| {
            format!(r#"{{"index":{index},"value":{a},"valueTwo":{b},"op":"{name}"}}"#)
        };
        let text = format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_NATIVE"],"syscalls":[
                {{"names":["write"],"action":"SCMP_ACT_ERRNO","errnoRet":9,"args":[{},{}]}}]}}"#,
            argument(0, &one), argument(1, &two)
        );
        let policy: LinuxSeccomp = serde_json::from_str(&text).unwrap();
        let program = compile(&policy).unwrap().program;
        let machine = Machine::native().unwrap();
        let write = u32::try_from(libc::SYS_write).unwrap();
        let met = (one.0.1)(first, one.1, one.2) && (two.0.1)(second, two.1, two.2);
        let wanted = if met { 0x0005_0009 } else { 0x7fff_0000 };
        prop_assert_eq!(run(&program, machine.token(), write, [first, second, 0, 0, 0, 0]), wanted);
        prop_assert_eq!(run(&program, machine.token(), write + 1, [first, second, 0, 0, 0, 0]), 0x7fff_0000);
    }
}
