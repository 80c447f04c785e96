//! The shim of one container; see `gantry_runtime::shim`.

fn main() -> std::process::ExitCode {
    gantry_runtime::shim::main()
}
