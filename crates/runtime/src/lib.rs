//! OCI spec, overlay root, shim, log files and cgroup figures of a container.
