//! From a container to the OCI runtime specification, with Docker's defaults.
