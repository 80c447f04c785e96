//! Compiles the tutorial's web server: one static Linux program, for the
//! container that runs it has nothing else in its root. Cargo can't build a
//! program of another target as a dependency, so the compiler is called here.

use std::{env, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=server");
    println!("cargo::rerun-if-env-changed=GANTRY_TUTORIAL_SERVER");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("server");

    // A machine that can't compile for Linux brings the program along.
    if let Some(made) = env::var_os("GANTRY_TUTORIAL_SERVER") {
        std::fs::copy(&made, &out)
            .expect("GANTRY_TUTORIAL_SERVER names the compiled tutorial server");
        return;
    }

    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target's architecture");
    let target = format!("{arch}-unknown-linux-gnu");
    let status = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"))
        .args([
            "--edition=2024",
            "--crate-type=bin",
            "--crate-name=server",
            "server/main.rs",
        ])
        .args(["--target", &target])
        .args([
            "-Copt-level=s",
            "-Clto=fat",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-Ctarget-feature=+crt-static",
        ])
        .arg("-o")
        .arg(&out)
        .status()
        .expect("the Rust compiler runs");
    assert!(
        status.success(),
        "compiling the tutorial's server for {target} failed; \
         where that target can't be had, set GANTRY_TUTORIAL_SERVER to a program compiled elsewhere"
    );
}
