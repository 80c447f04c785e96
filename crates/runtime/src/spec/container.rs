//! What a container is to be, in Docker's terms: the input of [`super::oci_spec`] and of a start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Resources;

/// A container as its engine wants it. Everything is resolved except what only the root file system knows (users).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// The container's id: 64 hex digits, also the runtime's container name.
    pub id: String,
    /// The mounted root file system.
    pub rootfs: PathBuf,
    /// Program and arguments; must not be empty. Entrypoint and command already joined.
    pub args: Vec<String>,
    /// `NAME=value` in order; `PATH`, `HOSTNAME`, `HOME` and (with a terminal) `TERM` are added where missing.
    pub env: Vec<String>,
    /// Working directory in the container; empty is `/`. Made when missing, as Docker does.
    pub cwd: String,
    /// `""`, `uid`, `name`, `uid:gid`, `name:group` …: names are looked up in the root's own files.
    pub user: String,
    /// `--group-add`: names or ids.
    pub groups: Vec<String>,
    /// Host name of a private UTS namespace.
    pub hostname: String,
    /// NIS domain name; empty leaves it.
    pub domainname: String,
    /// A terminal of its own: stdout and stderr are one.
    pub tty: bool,
    /// Keep standard input open though nobody is attached; false gives `/dev/null`.
    pub open_stdin: bool,
    /// Close standard input when the first attached client leaves.
    pub stdin_once: bool,
    /// Terminal size from the very start, where known.
    pub console_size: Option<ConsoleSize>,
    /// Further mounts, in any order (sorted by depth here); one at a default destination replaces the default.
    pub mounts: Vec<Mount>,
    /// The root is mounted read-only.
    pub read_only: bool,
    /// All capabilities and devices, no seccomp, nothing masked.
    pub privileged: bool,
    /// `--cap-add`: with or without `CAP_`, any case, `ALL`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, as `cap_add`.
    pub cap_drop: Vec<String>,
    /// Seccomp, no-new-privileges, masked paths.
    pub security: Security,
    /// Which namespaces are the container's own.
    pub namespaces: Namespaces,
    /// Limits.
    pub resources: Resources,
    /// Device nodes to make besides the default ones.
    pub devices: Vec<Device>,
    /// `--device-cgroup-rule`: `c 42:* rwm`.
    pub device_cgroup_rules: Vec<String>,
    /// `--sysctl`.
    pub sysctls: BTreeMap<String, String>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Size of `/dev/shm` in bytes; none is 64 MiB.
    pub shm_size: Option<u64>,
    /// Run a small init as process 1 (`--init`).
    pub init: bool,
    /// `--cgroup-parent`, a path below the hierarchy's root; none is `/gantry`.
    pub cgroup_parent: Option<String>,
    /// OCI annotations.
    pub annotations: BTreeMap<String, String>,
}

impl ContainerSpec {
    /// The container's path below each cgroup hierarchy's root: `<parent>/<id>`.
    #[must_use]
    pub fn cgroup_path(&self) -> PathBuf {
        let parent = self.cgroup_parent.as_deref().unwrap_or("/gantry");
        let mut path = PathBuf::from("/");
        path.extend(
            parent
                .split('/')
                .filter(|part| !part.is_empty() && *part != "." && *part != ".."),
        );
        path.push(&self.id);
        path
    }
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// Something mounted into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub destination: String,
    /// What is mounted.
    pub kind: MountKind,
    /// Not writable, submounts included where the kernel can.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A file or folder of the host: bind mounts and volumes alike.
    Bind {
        /// Absolute path on the host; must exist.
        source: PathBuf,
        /// `private`, `rprivate`, `shared`, `rshared`, `slave`, `rslave`; none is `rprivate`.
        propagation: Option<String>,
        /// Leave out what is mounted below the source.
        non_recursive: bool,
    },
    /// A file system in memory.
    Tmpfs {
        /// Bytes; none is half of memory.
        size: Option<u64>,
        /// Permission bits; none is 0o1777.
        mode: Option<u32>,
        /// Docker's other options (`exec`, `uid=…`, `noatime`), already split at the commas.
        options: Vec<String>,
    },
}

/// Seccomp and what else keeps the container in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// System call filter.
    pub seccomp: Seccomp,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// Hidden paths; none is Docker's list, empty hides nothing (`systempaths=unconfined`).
    pub masked_paths: Option<Vec<String>>,
    /// Read-only paths; none is Docker's list.
    pub readonly_paths: Option<Vec<String>>,
}

/// System call filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// Docker's default policy (none for a privileged container).
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile in Docker's JSON format, as text.
    Profile(String),
}

/// Which namespaces are the container's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    /// Network.
    pub network: NetworkNamespace,
    /// Process ids.
    pub pid: Namespace,
    /// System V IPC and message queues.
    pub ipc: IpcNamespace,
    /// Host and domain name: private or the host's.
    pub uts: Namespace,
    /// Cgroup view; none is private on cgroup v2 and the host's on v1, as Docker.
    pub cgroup: Option<Namespace>,
}

/// The container's network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkNamespace {
    /// A new, empty one (`--network none`).
    #[default]
    New,
    /// The host's.
    Host,
    /// One that was made for this container: a bind-mounted namespace file or `/proc/<pid>/ns/net`.
    Path(PathBuf),
    /// Another container's, which stays as it is.
    Joined(PathBuf),
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// The container's own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// One that exists, by path.
    Path(PathBuf),
}

/// The IPC namespace, which `/dev/shm` belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpcNamespace {
    /// Its own, `/dev/shm` a tmpfs in it.
    #[default]
    Private,
    /// Its own, without `/dev/shm`.
    NoShm,
    /// The host's, with the host's `/dev/shm`.
    Host,
    /// Another container's, whose `/dev/shm` is at `shm` on the host; also a shareable one of its own (`ns` none).
    Shared {
        /// `/proc/<pid>/ns/ipc` of the owner; none makes a new one.
        ns: Option<PathBuf>,
        /// The tmpfs on the host to bind at `/dev/shm`.
        shm: PathBuf,
    },
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host; a folder gives every device below it.
    pub host: PathBuf,
    /// Path in the container.
    pub container: String,
    /// `rwm` or less.
    pub permissions: String,
}

/// A resource limit of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`, `nproc`, `core` …
    pub name: String,
    /// -1 is unlimited.
    pub soft: i64,
    /// -1 is unlimited.
    pub hard: i64,
}
