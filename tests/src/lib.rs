//! End-to-end tests: the real engine, a real registry, the real docker command line, the real app.
//!
//! This library is the stage that the tests in `tests/it` and the programs in `src/bin` act on. A [`World`] is one
//! engine with its own roots, bridge and subnet, so that tests run beside each other, beside a Docker of the machine
//! and beside what an earlier, killed run left lying about. When it is dropped, it removes what it made and fails the
//! test if the engine left anything behind.
//!
//! Everything here panics where something is wrong: a harness that can't set its stage has no other news.

mod app;
mod command;
pub mod crash;
mod engine;
mod host;
mod http;
mod image;
mod leftovers;
mod machine;
mod network;
mod registry;
mod scratch;
mod terminal;
mod world;

pub use app::{App, Element, key};
pub use command::{Running, Said, run};
pub use engine::{Engine, Options, programs};
pub use host::FakeHost;
pub use http::{Response, request};
pub use image::{Image, Layer, busybox, program, web};
pub use machine::Machine;
pub use network::{Namespace, Subnet, free_port};
pub use registry::Registry;
pub use terminal::Terminal;
pub use world::{Client, World};

use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// When it doesn't within [`PATIENCE`], with what was waited for and what `look` last saw.
pub fn until<T, E: std::fmt::Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => {
                panic!("{what}: still not after {PATIENCE:?}; last seen: {seen:?}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// [`until`] for a mere condition.
///
/// # Panics
/// When it doesn't hold within [`PATIENCE`].
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || if condition() { Ok(()) } else { Err("no") });
}
