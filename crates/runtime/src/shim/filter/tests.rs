use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{LinuxSeccompOperator, Spec};
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
        thermal_throttles: Vec::new(),
        cgroup_v2_only: true,
    };
    let oci: Spec = crate::spec::oci_spec(&spec, &host).unwrap();
    oci.linux().as_ref().unwrap().seccomp().clone().unwrap()
}

/// The same policy by libseccomp.
fn reference(policy: &LinuxSeccomp) -> Vec<u64> {
    let action = |action: LinuxSeccompAction, errno: Option<u32>| match action {
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(errno.unwrap_or(1).cast_signed()),
        other => panic!("{other:?}"),
    };
    let default = action(policy.default_action(), policy.default_errno_ret());
    let mut context = ScmpFilterContext::new(default).unwrap();
    for arch in policy.architectures().iter().flatten() {
        context
            .add_arch(Machine::of(*arch).unwrap().library())
            .unwrap();
    }
    for rule in policy.syscalls().iter().flatten() {
        for name in rule.names() {
            let Ok(call) = ScmpSyscall::from_name(name) else {
                continue;
            };
            let conditions: Vec<_> = rule
                .args()
                .iter()
                .flatten()
                .map(|argument| {
                    let index = argument.index() as u32;
                    match argument.op() {
                        LinuxSeccompOperator::ScmpCmpEq => {
                            ScmpArgCompare::new(index, ScmpCompareOp::Equal, argument.value())
                        }
                        LinuxSeccompOperator::ScmpCmpLt => {
                            ScmpArgCompare::new(index, ScmpCompareOp::Less, argument.value())
                        }
                        LinuxSeccompOperator::ScmpCmpMaskedEq => {
                            let op = ScmpCompareOp::MaskedEqual(argument.value());
                            ScmpArgCompare::new(index, op, argument.value_two().unwrap_or(0))
                        }
                        other => panic!("{other:?}"),
                    }
                })
                .collect();
            context
                .add_rule_conditional(action(rule.action(), rule.errno_ret()), call, &conditions)
                .unwrap();
        }
    }
    let file = tempfile::tempfile().unwrap();
    context.export_bpf(&file).unwrap();
    use std::io::{Read, Seek};
    let (mut file, mut bytes) = (file, Vec::new());
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|chunk| u64::from_ne_bytes(*chunk))
        .collect()
}

/// Every number of every machine, with arguments at the borders of Docker's conditions.
#[test]
fn dockers_policy_decides_as_libseccomps() {
    for capabilities in [&[][..], &["SYS_ADMIN", "BPF"][..], &["ALL"][..]] {
        let policy = default_policy(capabilities);
        let (ours, theirs) = (compile(&policy).unwrap().program, reference(&policy));
        assert!(ours.len() < 1500, "{}", ours.len());
        for token in [0xC000_003E, 0x4000_0003, 0xC000_00B7, 0] {
            for number in (0..600)
                .chain(0x4000_0000..0x4000_0300)
                .chain([u32::MAX - 1])
            {
                for first in [
                    0,
                    8,
                    11,
                    12,
                    13,
                    38,
                    40,
                    0x2_0000,
                    0x2_0008,
                    0x1000_0000,
                    0xffff_ffff,
                    0x1_0000_0000,
                    u64::MAX,
                ] {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    // On 32-bit machines libseccomp knows further ways to a socket, which come to the same.
                    let (a, b) = (
                        run(&ours, token, number, arguments),
                        run(&theirs, token, number, arguments),
                    );
                    assert_eq!(
                        a, b,
                        "token {token:#x} number {number} first {first:#x} with {capabilities:?}"
                    );
                }
            }
        }
    }
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
