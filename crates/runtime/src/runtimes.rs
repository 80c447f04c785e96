//! Which OCI runtimes there are, by name.
