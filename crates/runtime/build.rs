//! Builds the static init that containers with `--init` run, to be embedded in the library.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=init/main.rs");
    println!("cargo::rerun-if-changed=init/kernel.rs");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let out = PathBuf::from(variable("OUT_DIR")).join("gantry-init");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args([
        "init/main.rs",
        "--edition=2024",
        "--crate-name=gantry_init",
        "--crate-type=bin",
    ]);
    rustc.args([
        "-Copt-level=s",
        "-Cpanic=abort",
        "-Cstrip=symbols",
        "-Crelocation-model=static",
        "-Ccodegen-units=1",
    ]);
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-Wl,--build-id=none",
    ] {
        rustc.arg(format!("-Clink-arg={argument}"));
    }
    rustc
        .arg("--target")
        .arg(variable("TARGET"))
        .arg("-o")
        .arg(&out);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    // Without a build wrapper: this is one small program.
    let status = rustc.env_remove("RUSTC_WRAPPER").status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the static init does not build"
    );
}
