//! What is said on a host process' control socket: a line of JSON each way.
//!
//! A client writes one [`Call`]. The host answers with [`Reply`] lines: one, or for [`Call::Watch`], [`Call::Stop`] and
//! the like one for each change until the host closes. After [`Reply::Shell`] the connection carries the shell's
//! bytes, see [`crate::control::Call::Shell`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::name::MachineName;
use crate::spec::BackendKind;
use crate::state::State;

/// A longer line is refused.
pub const MAX_LINE: usize = 64 * 1024;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "lowercase")]
pub enum Call {
    /// The state, once.
    Status,
    /// The state now and after each change.
    Watch,
    /// Stop; answered as `Watch` is, up to the end.
    Stop {
        /// At once, as if the power went: what the guest hasn't written is lost.
        force: bool,
    },
    /// Let the processors stand still.
    Pause,
    /// Let them go on.
    Resume,
    /// What the machine uses.
    Figures,
    /// Take memory from the running guest, or give it back, up to the size it was started with.
    Memory {
        /// In bytes.
        bytes: u64,
    },
    /// Grow the data disk of the running machine to this size.
    Disk {
        /// In bytes.
        bytes: u64,
    },
    /// A process in the guest with a terminal. What follows are the tunnel's shell frames, both ways.
    Shell {
        /// Program and arguments; empty for the guest's shell.
        command: Vec<String>,
        /// Lines of the terminal.
        rows: u16,
        /// Columns of it.
        cols: u16,
    },
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// The state.
    Status(Box<Status>),
    /// What the machine uses.
    Figures(Box<Figures>),
    /// Done.
    Done,
    /// The shell begins.
    Shell,
    /// Not done.
    Refused(String),
}

/// A machine as its host process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whose it is.
    pub name: MachineName,
    /// What it is doing.
    #[serde(flatten)]
    pub state: State,
    /// Since when, in milliseconds after 1970.
    pub since: u64,
    /// How long the finished steps of the last start took, in milliseconds.
    pub stages: Vec<(crate::state::Stage, u64)>,
    /// What runs it.
    pub backend: BackendKind,
    /// What helps the processor: `kvm`, `hvf`, `whpx`, or `tcg` where nothing does. None before it is known.
    pub accelerator: Option<String>,
    /// Something that a person should know though the machine runs.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The guest image's version.
    pub image: Option<String>,
    /// The virtual machine's process.
    pub vm_pid: Option<u32>,
    /// The host process.
    pub host_pid: u32,
    /// What goes into `DOCKER_HOST`.
    pub host: String,
}

/// What a machine uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Memory that the virtual machine's process holds of the host, in bytes.
    pub host_memory: Option<u64>,
    /// What the guest's agent says of itself, as it says it.
    pub guest: Option<serde_json::Value>,
    /// The guest's memory less what the balloon holds, in bytes.
    pub memory_now: Option<u64>,
    /// Bytes that the data disk takes of the host's.
    pub disk_used: u64,
    /// The data disk's size in bytes.
    pub disk_size: u64,
    /// Open connections to the Docker API.
    pub api_connections: u64,
    /// The ports that the host listens at for containers.
    pub ports: Vec<Published>,
}

/// A port of the host that leads to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Where the host listens.
    pub at: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_replies_have_these_words() {
        let words = serde_json::json!([
            Call::Status,
            Call::Stop { force: true },
            Call::Memory { bytes: 1 },
            Reply::Done,
            Reply::Refused("no".into()),
            Reply::Status(Box::new(Status {
                name: MachineName::default(),
                state: State::Starting {
                    stage: crate::state::Stage::Kernel
                },
                since: 1,
                stages: vec![(crate::state::Stage::Image, 2)],
                backend: BackendKind::Qemu,
                accelerator: Some("kvm".into()),
                warnings: Vec::new(),
                image: None,
                vm_pid: Some(3),
                host_pid: 4,
                host: "unix:///x".into(),
            })),
        ]);
        insta::assert_json_snapshot!(words);
    }
}
