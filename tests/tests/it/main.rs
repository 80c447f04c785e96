//! What a person does with the engine, with the real docker command line and with ours.
//!
//! Each test has an engine of its own and runs twice: `docker::…` and `gantry::…`.

#![allow(clippy::unwrap_used, reason = "what a test does not find, fails it")]

/// Makes two tests of each function that takes a world's maker's client.
macro_rules! both {
    ($($test:ident),* $(,)?) => {
        mod docker {
            $(#[test] fn $test() { super::$test(gantry_tests::Client::Docker); })*
        }
        mod gantry {
            $(#[test] fn $test() { super::$test(gantry_tests::Client::Gantry); })*
        }
    };
}

mod api;
mod app;
mod compose;
mod copy;
mod crash;
mod exec;
mod images;
mod lifecycle;
mod limits;
mod machine;
mod output;
mod ports;
mod run;
mod rust_client;
mod survive;
mod system;
mod tutorial;
mod volumes;
