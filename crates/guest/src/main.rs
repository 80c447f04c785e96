//! The first program of the virtual machine: init, and the agent at the guest's end of the tunnel.
//!
//! One binary, two parts that know nothing of each other: [`init`] is the machine's process 1, small and synchronous,
//! and starts the other as `gantry-guest agent`.

mod agent;
mod init;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Process 1 is init whatever it is told: the kernel passes words of its command line on as arguments.
    if std::process::id() == 1 {
        return init::run();
    }
    match std::env::args_os()
        .nth(1)
        .as_deref()
        .and_then(|role| role.to_str())
    {
        Some("init") => init::run(),
        Some("agent") => agent::run(std::env::args_os().skip(2)),
        _ => {
            eprintln!("usage: gantry-guest agent, or as process 1 of a machine");
            ExitCode::from(2)
        }
    }
}
