//! What is known of a container: what was asked for, and what became of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_api::models::{ContainerConfig, EndpointSettings, HostConfig};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ContainerId;
use super::health::Health;

/// Everything about one container at one moment.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was asked for.
    pub definition: Arc<Definition>,
    /// What became of it.
    pub state: RunState,
    /// It is gone: the last that whoever still looks at it learns.
    pub removed: bool,
}

impl Record {
    /// The container's id.
    pub fn id(&self) -> &ContainerId {
        &self.definition.id
    }

    /// The container's name, without the leading `/` that the API shows.
    pub fn name(&self) -> &str {
        &self.definition.name
    }
}

/// What a container was created with; changed by rename and update only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Definition {
    /// 64 hexadecimal digits.
    pub id: ContainerId,
    /// Unique among containers, without a leading `/`.
    pub name: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// `sha256:…` of the image's config.
    pub image_id: String,
    /// What was asked for merged with the image's own config; `image` in it is the name as it was asked for.
    pub config: ContainerConfig,
    /// What was asked for, with the defaults filled in.
    pub host: HostConfig,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Binds, volumes and tmpfs mounts.
    pub mounts: Vec<MountPoint>,
    /// What was asked of each network, by name.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// Name of the OCI runtime.
    pub runtime: String,
}

/// Where the content of a mount comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume.
    Volume,
    /// Memory, empty at each start.
    Tmpfs,
}

impl MountKind {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            MountKind::Bind => "bind",
            MountKind::Volume => "volume",
            MountKind::Tmpfs => "tmpfs",
        }
    }
}

/// One mount of a container, resolved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MountPoint {
    /// What kind.
    pub kind: MountKind,
    /// The volume's name; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volume: String,
    /// The volume was made for this container only, and goes with `docker rm -v`.
    #[serde(default)]
    pub anonymous: bool,
    /// Path on the host; empty for tmpfs.
    #[serde(default)]
    pub source: PathBuf,
    /// Path below a volume's root to mount; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subpath: String,
    /// Absolute path in the container.
    pub destination: String,
    /// Whether the container can't write.
    #[serde(default)]
    pub read_only: bool,
    /// The mode as it was written in a bind (`ro,z`), shown by inspect.
    #[serde(default)]
    pub mode: String,
    /// `rprivate`, `rshared` …; empty where it doesn't apply.
    #[serde(default)]
    pub propagation: String,
    /// Mount options of a tmpfs (`size=…`, `mode=…`).
    #[serde(default)]
    pub options: Vec<String>,
    /// An empty volume isn't filled from the image.
    #[serde(default)]
    pub no_copy: bool,
    /// A bind's missing source is made.
    #[serde(default)]
    pub create_source: bool,
    /// A bind doesn't take the mounts below its source along.
    #[serde(default)]
    pub non_recursive: bool,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Never started.
    #[default]
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended and waits to be started again by its restart policy.
    Restarting,
    /// It ended.
    Exited,
    /// It is being removed.
    Removing,
    /// Its removal failed.
    Dead,
}

impl Phase {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Restarting => "restarting",
            Phase::Exited => "exited",
            Phase::Removing => "removing",
            Phase::Dead => "dead",
        }
    }

    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, Phase::Running | Phase::Paused)
    }
}

/// What became of a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// Where it is in its life.
    pub phase: Phase,
    /// Process id on the host while it is alive.
    pub pid: Option<i32>,
    /// Of the last run; what a shell would say (128 + signal when killed).
    pub exit_code: i32,
    /// The kernel killed it for want of memory.
    pub oom_killed: bool,
    /// Why the last start failed; empty when it didn't.
    pub error: String,
    /// The last start.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// The last end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How often its restart policy started it since a person did.
    pub restart_count: u32,
    /// How often it ended; lets a waiter see an end even when a restart followed at once.
    pub exits: u64,
    /// A person stopped it: `unless-stopped` leaves it so.
    pub stopped_by_hand: bool,
    /// Its place on the bridge while it is alive.
    pub endpoint: Option<EndpointState>,
    /// Ports that are published while it is alive.
    pub ports: Vec<PublishedPort>,
    /// It is being restarted by a person, so that its end doesn't remove it (`--rm`).
    #[serde(skip)]
    pub kept: bool,
    /// What its health checks found; not kept in the store.
    #[serde(skip)]
    pub health: Option<Arc<Health>>,
}

/// A container's place on the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// Its address.
    pub ip: IpAddr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// The bridge's address.
    pub gateway: IpAddr,
    /// Its hardware address, as text.
    pub mac: String,
}

/// One port that the host publishes for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Port in the container.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address on the host.
    pub host_ip: IpAddr,
    /// Port on the host.
    pub host_port: u16,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record of a container that was just created.
    pub(crate) fn record(id: &ContainerId, name: &str) -> Record {
        Record {
            definition: Arc::new(Definition {
                id: id.clone(),
                name: name.to_owned(),
                created: OffsetDateTime::UNIX_EPOCH,
                image_id: format!("sha256:{}", "0".repeat(64)),
                config: ContainerConfig::default(),
                host: HostConfig::default(),
                path: "/bin/sh".to_owned(),
                args: Vec::new(),
                mounts: Vec::new(),
                endpoints: BTreeMap::new(),
                runtime: "gantry".to_owned(),
            }),
            state: RunState::default(),
            removed: false,
        }
    }

    #[test]
    fn a_record_survives_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&dir.path().join("gantry.db")).unwrap();
        let mut record = record(&ContainerId::random(), "web");
        record.state.started_at = Some(OffsetDateTime::now_utc());
        store
            .write_now(|transaction| {
                crate::store::containers::insert(transaction, &record.definition, &record.state)
            })
            .unwrap();
        let found = store.containers().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0.name, "web");
        assert_eq!(found[0].1.started_at, record.state.started_at);
    }
}
