//! Machines and their calling conventions.

use std::collections::HashMap;

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

    /// Arguments have 32 bits that count; what is in the upper half is nobody's.
    pub fn is_narrow(self) -> bool {
        matches!(self, Machine::X86 | Machine::X32 | Machine::Arm)
    }

    /// The numbers of the machine's calls as the kernel tells them, by name.
    pub fn calls(self) -> HashMap<&'static str, u32> {
        macro_rules! table {
            ($machine:ident) => {{
                use syscalls::$machine::Sysno;
                (0..=Sysno::last().id().unsigned_abs())
                    .filter_map(|number| Some((Sysno::new(number as usize)?.name(), number)))
                    .collect()
            }};
        }
        let mut calls: HashMap<_, _> = match self {
            Machine::X86 => table!(x86),
            Machine::X86_64 | Machine::X32 => table!(x86_64),
            Machine::Arm => table!(arm),
            Machine::Aarch64 => table!(aarch64),
            Machine::Riscv64 => table!(riscv64),
            Machine::Loongarch64 => table!(loongarch64),
        };
        match self {
            Machine::X32 => {
                calls.extend(X32);
                calls.values_mut().for_each(|number| *number |= X32_BIT);
            }
            Machine::Arm => calls.extend(ARM),
            // The table calls it by the name of a 32-bit machine.
            Machine::Aarch64 => drop(calls.insert("newfstatat", 79)),
            _ => {}
        }
        calls
    }
}

/// Calls that x32 has of its own: `arch/x86/entry/syscalls/syscall_64.tbl`
const X32: [(&str, u32); 36] = [
    ("rt_sigaction", 512),
    ("rt_sigreturn", 513),
    ("ioctl", 514),
    ("readv", 515),
    ("writev", 516),
    ("recvfrom", 517),
    ("sendmsg", 518),
    ("recvmsg", 519),
    ("execve", 520),
    ("ptrace", 521),
    ("rt_sigpending", 522),
    ("rt_sigtimedwait", 523),
    ("rt_sigqueueinfo", 524),
    ("sigaltstack", 525),
    ("timer_create", 526),
    ("mq_notify", 527),
    ("kexec_load", 528),
    ("waitid", 529),
    ("set_robust_list", 530),
    ("get_robust_list", 531),
    ("vmsplice", 532),
    ("move_pages", 533),
    ("preadv", 534),
    ("pwritev", 535),
    ("rt_tgsigqueueinfo", 536),
    ("recvmmsg", 537),
    ("sendmmsg", 538),
    ("process_vm_readv", 539),
    ("process_vm_writev", 540),
    ("setsockopt", 541),
    ("getsockopt", 542),
    ("io_setup", 543),
    ("io_submit", 544),
    ("execveat", 545),
    ("preadv2", 546),
    ("pwritev2", 547),
];

/// Calls beyond the table: `arch/arm/include/uapi/asm/unistd.h`
const ARM: [(&str, u32); 3] = [
    ("breakpoint", 0xf_0001),
    ("cacheflush", 0xf_0002),
    ("set_tls", 0xf_0005),
];
