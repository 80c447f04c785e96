//! The real program against an engine that says what the test wants.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should fail"
)]

mod choosing;
mod engine;
mod failures;
mod showing;
mod talking;

use std::process::{Command, Output, Stdio};

/// The program, away from the tester's own configuration and engine.
fn gantry(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
    command
        .env_clear()
        .env("HOME", home)
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
