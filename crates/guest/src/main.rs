//! The first program of the virtual machine: init, and the agent at the guest's end of the tunnel.

fn main() {}
