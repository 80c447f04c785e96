//! The shim of one container; see `gantry_runtime::shim`.
fn main() {}
