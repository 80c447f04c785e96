//! A few rounds of what `make crash` does many times.

use gantry_tests::crash::{Crash, Operation};

fn some(operation: Operation) {
    let mut crash = Crash::new();
    crash.rounds(operation, 4);
    crash.end();
}

#[test]
fn create() {
    some(Operation::Create);
}

#[test]
fn start() {
    some(Operation::Start);
}

#[test]
fn pull() {
    some(Operation::Pull);
}

#[test]
fn stop() {
    some(Operation::Stop);
}

#[test]
fn remove() {
    some(Operation::Remove);
}
