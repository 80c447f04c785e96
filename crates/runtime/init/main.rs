//! Process 1 of a container with `--init`: starts the command, passes signals on to it, reaps everything, and ends as
//! the command ended. Static and without any library, so that it runs in every root; built by `build.rs`.
#![no_std]
#![no_main]
#![no_builtins]

mod kernel;

use kernel::{Argv, Signals};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    kernel::exit(1)
}

/// What the precompiled `core` refers to; with `panic=abort` nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;
const SIGCHLD: i32 = 17;
/// Signals that tell of a fault in this very process: not to be passed on, nor blocked.
const FAULTS: [i32; 5] = [4, 5, 7, 8, 11];

/// `docker-init -- command arguments…`
fn run(argv: &Argv, environment: *const *const u8) -> i32 {
    let mut first = 1;
    if argv.get(first).is_some_and(|word| kernel::bytes(word) == b"--") {
        first += 1;
    }
    let Some(command) = argv.get(first) else {
        kernel::say(b"docker-init: no command\n");
        return 1;
    };
    let blocked = Signals::all_but(&FAULTS);
    let before = kernel::block(blocked);
    let child = kernel::fork();
    if child == 0 {
        // Its own group, in the foreground of the terminal if there is one.
        kernel::own_foreground_group();
        kernel::set_mask(before);
        let error = kernel::execute(command, argv.from(first), environment);
        kernel::say(b"docker-init: exec ");
        kernel::say(kernel::bytes(command));
        kernel::say(b" failed\n");
        kernel::exit(if error == kernel::ENOENT { 127 } else { 126 });
    }
    if child < 0 {
        kernel::say(b"docker-init: cannot fork\n");
        return 1;
    }
    loop {
        let signal = kernel::wait_signal(blocked);
        match signal {
            SIGCHLD => {}
            SIGTTIN | SIGTTOU => continue,
            signal if signal > 0 => {
                kernel::kill(child, signal);
                continue;
            }
            _ => continue,
        }
        let mut code = None;
        while let Some((pid, status)) = kernel::reap() {
            if pid == child {
                code = Some(if status & 0x7f == 0 { (status >> 8) & 0xff } else { 128 + (status & 0x7f) });
            }
        }
        if let Some(code) = code {
            return code;
        }
    }
}

/// Called by the entry point with the stack as the kernel left it.
#[unsafe(no_mangle)]
unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc, the arguments, a null, the environment and a null there.
    let (argv, environment) = unsafe { kernel::arguments(stack) };
    kernel::exit(run(&argv, environment))
}
