//! The shim: one small process a container.
