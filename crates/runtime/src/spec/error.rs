//! What can be wrong with a container's description.

use std::path::PathBuf;

/// A container can't be described to a runtime. All but `Io` and `Oci` are the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// No program.
    #[error("no command specified")]
    NoCommand,
    /// A capability that the kernel interface does not know.
    #[error("invalid capability: {0:?}")]
    Capability(String),
    /// The user is not in the root's `passwd`.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// The group is not in the root's `group`.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// Ids outside 0 to 2³¹-1.
    #[error("uids and gids must be in range 0-2147483647")]
    IdRange,
    /// A file of the root that can't be read safely.
    #[error("cannot read {path} in the container: {reason}")]
    RootFile {
        /// Path in the container.
        path: String,
        /// Why.
        reason: String,
    },
    /// A resource limit that Linux does not have.
    #[error("invalid ulimit type: {0}")]
    Ulimit(String),
    /// A destination that is relative or `/`.
    #[error("invalid mount destination: {0:?}")]
    Destination(String),
    /// Two mounts on one path.
    #[error("Duplicate mount point: {0}")]
    DuplicateMount(String),
    /// A mount's propagation word.
    #[error("invalid mount propagation: {0:?}")]
    Propagation(String),
    /// A tmpfs option that Docker does not have.
    #[error("invalid tmpfs option: {0:?}")]
    TmpfsOption(String),
    /// A seccomp profile that can't be used.
    #[error("invalid seccomp profile: {0}")]
    Seccomp(String),
    /// A device that can't be given.
    #[error("error gathering device information while adding custom device {path:?}: {reason}")]
    Device {
        /// Path on the host.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A device rule outside its grammar.
    #[error("invalid device cgroup rule format: {0:?}")]
    DeviceRule(String),
    /// A sysctl that no namespace of the container's own holds.
    #[error("sysctl {0:?} is not in a separate kernel namespace")]
    Sysctl(String),
    /// A value with a NUL byte in it.
    #[error("{what} must not contain a NUL byte")]
    Nul {
        /// Which value.
        what: &'static str,
    },
    /// A value that the OCI types refuse.
    #[error("cannot build the runtime specification: {0}")]
    Oci(String),
}
