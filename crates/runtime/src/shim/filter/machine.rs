//! Machines and their calling conventions.

use libseccomp::{ScmpArch, ScmpSyscall};
use oci_spec::runtime::Arch;

/// A calling convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86,
    X86_64,
    X32,
    Arm,
    Aarch64,
    Riscv64,
    Loongarch64,
}

/// What marks the numbers of calls by the convention x32, which else looks like x86-64.
pub(super) const X32_BIT: u32 = 0x4000_0000;

impl Machine {
    pub fn of(arch: Arch) -> Option<Machine> {
        Some(match arch {
            Arch::ScmpArchNative => return Machine::native(),
            Arch::ScmpArchX86 => Machine::X86,
            Arch::ScmpArchX86_64 => Machine::X86_64,
            Arch::ScmpArchX32 => Machine::X32,
            Arch::ScmpArchArm => Machine::Arm,
            Arch::ScmpArchAarch64 => Machine::Aarch64,
            Arch::ScmpArchRiscv64 => Machine::Riscv64,
            Arch::ScmpArchLoongarch64 => Machine::Loongarch64,
            _ => return None,
        })
    }

    pub fn native() -> Option<Machine> {
        Some(match std::env::consts::ARCH {
            "x86" => Machine::X86,
            "x86_64" => Machine::X86_64,
            "arm" => Machine::Arm,
            "aarch64" => Machine::Aarch64,
            "riscv64" => Machine::Riscv64,
            "loongarch64" => Machine::Loongarch64,
            _ => return None,
        })
    }

    /// `AUDIT_ARCH_…`, which the kernel tells with each call.
    pub fn token(self) -> u32 {
        match self {
            Machine::X86 => 0x4000_0003,
            Machine::X86_64 | Machine::X32 => 0xC000_003E,
            Machine::Arm => 0x4000_0028,
            Machine::Aarch64 => 0xC000_00B7,
            Machine::Riscv64 => 0xC000_00F3,
            Machine::Loongarch64 => 0xC000_0102,
        }
    }

    pub fn library(self) -> ScmpArch {
        match self {
            Machine::X86 => ScmpArch::X86,
            Machine::X86_64 => ScmpArch::X8664,
            Machine::X32 => ScmpArch::X32,
            Machine::Arm => ScmpArch::Arm,
            Machine::Aarch64 => ScmpArch::Aarch64,
            Machine::Riscv64 => ScmpArch::Riscv64,
            Machine::Loongarch64 => ScmpArch::Loongarch64,
        }
    }

    /// Arguments have 32 bits that count; what is in the upper half is nobody's.
    pub fn is_narrow(self) -> bool {
        matches!(self, Machine::X86 | Machine::X32 | Machine::Arm)
    }

    /// A call's number as the kernel tells it, where the machine has the call.
    pub fn number(self, name: &str) -> Option<u32> {
        let number = ScmpSyscall::from_name_by_arch(name, self.library())
            .ok()?
            .as_raw_syscall();
        match (u32::try_from(number), self) {
            (Ok(number), Machine::X32) => Some(number | X32_BIT),
            (Ok(number), _) => Some(number),
            // Negative numbers stand for calls that only other machines have, or that go through `socketcall` or
            // `ipc` on this one: newer kernels have those by themselves, too.
            (Err(_), Machine::X86) => X86_DIRECT
                .iter()
                .find(|(direct, _)| *direct == name)
                .map(|(_, number)| *number),
            (Err(_), _) => None,
        }
    }
}

/// `arch/x86/entry/syscalls/syscall_32.tbl`
const X86_DIRECT: [(&str, u32); 27] = [
    ("recvmmsg", 337),
    ("sendmmsg", 345),
    ("socket", 359),
    ("socketpair", 360),
    ("bind", 361),
    ("connect", 362),
    ("listen", 363),
    ("accept4", 364),
    ("getsockopt", 365),
    ("setsockopt", 366),
    ("getsockname", 367),
    ("getpeername", 368),
    ("sendto", 369),
    ("sendmsg", 370),
    ("recvfrom", 371),
    ("recvmsg", 372),
    ("shutdown", 373),
    ("semget", 393),
    ("semctl", 394),
    ("shmget", 395),
    ("shmctl", 396),
    ("shmat", 397),
    ("shmdt", 398),
    ("msgget", 399),
    ("msgsnd", 400),
    ("msgrcv", 401),
    ("msgctl", 402),
];
