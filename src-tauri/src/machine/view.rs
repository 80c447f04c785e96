//! A machine as the page shows it.

use gantry_machine::control::Status;
use gantry_machine::spec::{MIN_DISK, MIN_MEMORY};
use gantry_machine::store::Machine as Stored;
use gantry_machine::{Spec, State, computer};
use serde::{Deserialize, Serialize};

/// A machine, and what it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// What goes into `DOCKER_HOST`.
    pub address: String,
    /// What it is doing.
    pub state: MachineState,
    /// What it may use.
    pub limits: Limits,
    /// What its limits may be.
    pub bounds: Bounds,
    /// What runs it: `qemu`, `vfkit`, `hyperv`, `wsl`.
    pub backend: String,
    /// What helps the processor: `kvm`, `hvf`, `whpx`, or `tcg` where nothing does; `None` before it is known.
    pub accelerator: Option<String>,
    /// The version of the guest image that runs, or ran last.
    pub image: Option<String>,
    /// Folders of this computer that containers can mount.
    pub shares: Vec<String>,
    /// What a person should know though it runs.
    pub warnings: Vec<String>,
}

/// What a machine is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MachineState {
    /// It was never made: its first start makes it.
    Missing,
    /// Nothing of it runs.
    Stopped,
    /// On its way up.
    Starting {
        /// The step it is at.
        stage: Stage,
        /// The steps before, and how long they took.
        done: Vec<StageTime>,
    },
    /// Its engine answers.
    Running {
        /// Since when, in milliseconds after 1970.
        #[cfg_attr(test, ts(type = "number"))]
        since: u64,
    },
    /// Its processors stand still; the first request wakes it.
    Paused,
    /// On its way down.
    Stopping,
    /// It could not start, or died.
    Failed {
        /// The step that failed; `None` where it ran already.
        stage: Option<Stage>,
        /// What went wrong.
        message: String,
        /// The last lines of the guest's console.
        console: Vec<String>,
        /// What to try.
        advice: String,
    },
}

/// A step of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The guest image is found and checked.
    Image,
    /// The virtual machine's process comes up.
    Vm,
    /// Linux boots.
    Kernel,
    /// The engine starts.
    Engine,
}

/// How long a step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StageTime {
    /// The step.
    pub stage: Stage,
    /// Milliseconds.
    #[cfg_attr(test, ts(type = "number"))]
    pub took: u64,
}

/// What a machine may use of this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Limits {
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory: u64,
    /// Bytes of its data disk. They are taken of this computer's as they are used.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk: u64,
}

/// What limits can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Bounds {
    /// This computer's processors.
    pub cpus: u32,
    /// The least memory, in bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub least_memory: u64,
    /// This computer's memory, in bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub most_memory: u64,
    /// The least disk, in bytes: a disk only grows.
    #[cfg_attr(test, ts(type = "number"))]
    pub least_disk: u64,
}

/// When new limits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// They count.
    Now,
    /// The machine runs with the old ones until it is started anew.
    AtNextStart,
}

impl Machine {
    /// Of what is on disk, and what its host process says or said at the end of a run that failed.
    pub fn of(machine: &Stored, status: Option<&Status>) -> Self {
        let state = status.map_or(MachineState::Stopped, MachineState::from);
        Self::described(&machine.spec, machine.paths.docker_host(), state).told(status)
    }

    /// Of one that its first start will make like this.
    pub fn missing(spec: &Spec, address: String) -> Self {
        Self::described(spec, address, MachineState::Missing)
    }

    fn described(spec: &Spec, address: String, state: MachineState) -> Self {
        let made = state != MachineState::Missing;
        Self {
            name: spec.name.to_string(),
            address,
            state,
            limits: Limits {
                cpus: spec.cpus,
                memory: spec.memory,
                disk: spec.disk,
            },
            bounds: Bounds {
                cpus: computer::cpus().max(spec.cpus),
                least_memory: MIN_MEMORY,
                most_memory: computer::memory().max(spec.memory),
                least_disk: if made { spec.disk } else { MIN_DISK },
            },
            backend: spec.backend.as_str().to_owned(),
            accelerator: None,
            image: spec.last_image.clone(),
            shares: (spec.shares.iter())
                .map(|share| share.display().to_string())
                .collect(),
            warnings: Vec::new(),
        }
    }

    fn told(mut self, status: Option<&Status>) -> Self {
        if let Some(status) = status {
            self.accelerator.clone_from(&status.accelerator);
            self.warnings.clone_from(&status.warnings);
            if status.image.is_some() {
                self.image.clone_from(&status.image);
            }
        }
        self
    }
}

impl From<&Status> for MachineState {
    fn from(status: &Status) -> Self {
        match &status.state {
            State::Stopped => Self::Stopped,
            State::Starting { stage } => Self::Starting {
                stage: (*stage).into(),
                done: (status.stages.iter())
                    .map(|(stage, took)| StageTime {
                        stage: (*stage).into(),
                        took: *took,
                    })
                    .collect(),
            },
            State::Running => Self::Running {
                since: status.since,
            },
            State::Paused => Self::Paused,
            State::Stopping => Self::Stopping,
            State::Failed { cause } => Self::Failed {
                stage: cause.stage.map(Stage::from),
                message: cause.message.clone(),
                console: cause.console.clone(),
                advice: cause.advice.clone(),
            },
        }
    }
}

impl From<gantry_machine::Stage> for Stage {
    fn from(stage: gantry_machine::Stage) -> Self {
        match stage {
            gantry_machine::Stage::Image => Self::Image,
            gantry_machine::Stage::Vm => Self::Vm,
            gantry_machine::Stage::Kernel => Self::Kernel,
            gantry_machine::Stage::Engine => Self::Engine,
        }
    }
}
