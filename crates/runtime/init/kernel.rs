//! The few system calls that the init needs, for each machine. See `syscall(2)` for the registers.

use core::arch::{asm, global_asm};

pub const ENOENT: isize = 2;
const EACCES: isize = 13;

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const WRITE: usize = 1;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const GETPID: usize = 39;
    pub const SETPGID: usize = 109;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod numbers {
    pub const WRITE: usize = 64;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const IOCTL: usize = 29;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const GETPID: usize = 172;
    pub const SETPGID: usize = 154;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const EXIT_GROUP: usize = 94;
}

use numbers::*;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call begin");

#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "bl begin");

#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "mv a0, sp", "tail begin");

/// # Safety
/// The arguments must be what the call wants.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's; the kernel clobbers rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
             in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// # Safety
/// The arguments must be what the call wants.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b, in("x2") c, in("x3") d,
             in("x4") e, options(nostack));
    }
    result
}

/// # Safety
/// The arguments must be what the call wants.
#[cfg(target_arch = "riscv64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's.
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") a as isize => result, in("a1") b, in("a2") c, in("a3") d,
             in("a4") e, options(nostack));
    }
    result
}

/// The program's arguments, as the kernel laid them out.
pub struct Argv {
    count: usize,
    first: *const *const u8,
}

impl Argv {
    pub fn get(&self, index: usize) -> Option<*const u8> {
        // SAFETY: there are `count` pointers.
        (index < self.count).then(|| unsafe { *self.first.add(index) })
    }

    /// The null-terminated rest from `index` on, which must be within.
    pub fn from(&self, index: usize) -> *const *const u8 {
        // SAFETY: callers have asked `get` for it.
        unsafe { self.first.add(index) }
    }
}

/// # Safety
/// `stack` must be the stack pointer at the program's entry.
pub unsafe fn arguments(stack: *const usize) -> (Argv, *const *const u8) {
    // SAFETY: the layout of the process' stack in the ABI.
    unsafe {
        let count = *stack;
        let first = stack.add(1).cast::<*const u8>();
        (Argv { count, first }, first.add(count + 1))
    }
}

pub fn bytes<'a>(text: *const u8) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: arguments and variables end with a null byte and live as long as the process.
    unsafe {
        while *text.add(length) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(text, length)
    }
}

pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes a number.
        unsafe { call(EXIT_GROUP, code as usize, 0, 0, 0, 0) };
    }
}

pub fn say(text: &[u8]) {
    // SAFETY: the slice is valid for its length.
    unsafe { call(WRITE, 2, text.as_ptr() as usize, text.len(), 0, 0) };
}

/// A set of signals, a bit each.
#[derive(Clone, Copy)]
pub struct Signals(u64);

impl Signals {
    pub fn all_but(signals: &[i32]) -> Signals {
        let mut set = u64::MAX;
        for signal in signals {
            set &= !(1 << (signal - 1));
        }
        Signals(set)
    }
}

const SIG_BLOCK: usize = 0;
const SIG_SETMASK: usize = 2;

pub fn block(signals: Signals) -> Signals {
    let mut before = 0u64;
    // SAFETY: both point to 8 bytes, the size of the kernel's set.
    unsafe { call(RT_SIGPROCMASK, SIG_BLOCK, &raw const signals.0 as usize, &raw mut before as usize, 8, 0) };
    Signals(before)
}

pub fn set_mask(signals: Signals) {
    // SAFETY: as above; the old set is not asked for.
    unsafe { call(RT_SIGPROCMASK, SIG_SETMASK, &raw const signals.0 as usize, 0, 8, 0) };
}

pub fn wait_signal(signals: Signals) -> i32 {
    // SAFETY: the set is 8 bytes; no information and no time limit are asked for.
    unsafe { call(RT_SIGTIMEDWAIT, &raw const signals.0 as usize, 0, 0, 8, 0) as i32 }
}

pub fn fork() -> i32 {
    // SAFETY: no flags but the signal at the end: a plain fork on the copied stack.
    unsafe { call(CLONE, 17, 0, 0, 0, 0) as i32 }
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: takes numbers.
    unsafe { call(KILL, pid as usize, signal as usize, 0, 0, 0) };
}

/// A process that has ended, and its status.
pub fn reap() -> Option<(i32, i32)> {
    const WNOHANG: usize = 1;
    let mut status = 0i32;
    // SAFETY: the status is a valid place for an int.
    let pid = unsafe { call(WAIT4, usize::MAX, &raw mut status as usize, WNOHANG, 0, 0) };
    (pid > 0).then_some((pid as i32, status))
}

pub fn own_foreground_group() {
    const TIOCSPGRP: usize = 0x5410;
    // SAFETY: the group is a valid place for an int; on no terminal the call only fails. SIGTTOU is blocked here.
    unsafe {
        call(SETPGID, 0, 0, 0, 0, 0);
        let group = call(GETPID, 0, 0, 0, 0, 0) as i32;
        call(IOCTL, 0, TIOCSPGRP, &raw const group as usize, 0, 0);
    }
}

/// Replaces the process, looking a name without slash up in `PATH`. Returns the error's number.
pub fn execute(command: *const u8, argv: *const *const u8, environment: *const *const u8) -> isize {
    let name = bytes(command);
    if name.contains(&b'/') {
        // SAFETY: null-terminated texts and lists from the kernel.
        return unsafe { -call(EXECVE, command as usize, argv as usize, environment as usize, 0, 0) };
    }
    let mut failure = ENOENT;
    for folder in search_path(environment).split(|byte| *byte == b':') {
        let mut path = [0u8; 4096];
        let length = folder.len() + 1 + name.len();
        if length >= path.len() {
            continue;
        }
        let all = folder.iter().chain(b"/").chain(name);
        for (place, byte) in path.iter_mut().zip(all) {
            *place = *byte;
        }
        // SAFETY: the path ends with the buffer's zeros; the lists are the kernel's.
        let error = unsafe { -call(EXECVE, path.as_ptr() as usize, argv as usize, environment as usize, 0, 0) };
        if error != ENOENT {
            failure = error;
        }
        if error != ENOENT && error != EACCES {
            break;
        }
    }
    failure
}

fn search_path<'a>(environment: *const *const u8) -> &'a [u8] {
    let mut entry = environment;
    // SAFETY: the list ends with a null pointer.
    unsafe {
        while !(*entry).is_null() {
            if let Some(path) = bytes(*entry).strip_prefix(b"PATH=") {
                return path;
            }
            entry = entry.add(1);
        }
    }
    b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

/// The compiler calls this for large zeroed arrays.
///
/// # Safety
/// `to` must be valid for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: the caller's.
        unsafe { *to.add(index) = value as u8 };
    }
    to
}

/// As [`memset`].
///
/// # Safety
/// Both must be valid for `length` bytes and must not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: the caller's.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// As [`memcpy`].
///
/// # Safety
/// Both must be valid for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: the caller's.
        let (a, b) = unsafe { (*left.add(index), *right.add(index)) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}
