//! Tests of `rootfs`.
