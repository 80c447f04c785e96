//! What a machine is doing, and which change may follow which.
//!
//! ```text
//! stopped → starting(image → vm → kernel → engine) → running ↔ paused
//!    ↑           │                                      │
//!    │           └──────→ failed(cause) ←───────────────┤ the VM died twice
//!    └──────────────────────── stopping ←───────────────┘
//! ```

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A step of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The guest image is found and checked; the disks are made ready.
    Image,
    /// The virtual machine's process comes up and answers.
    Vm,
    /// The kernel boots until the guest's agent answers.
    Kernel,
    /// The engine starts until it answers.
    Engine,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Stage; 4] = [Stage::Image, Stage::Vm, Stage::Kernel, Stage::Engine];

    /// How long the stage may take before starting has failed. Without help of the processor, guests run a good
    /// deal slower.
    pub const fn limit(self, emulated: bool) -> Duration {
        Duration::from_secs(match self {
            Stage::Image => 60,
            Stage::Vm => 20,
            Stage::Kernel | Stage::Engine if emulated => 120,
            Stage::Kernel | Stage::Engine => 60,
        })
    }

    /// What is done in it.
    pub const fn doing(self) -> &'static str {
        match self {
            Stage::Image => "Checking the guest image",
            Stage::Vm => "Starting the virtual machine",
            Stage::Kernel => "Booting Linux",
            Stage::Engine => "Starting the engine",
        }
    }

    /// What a person can try when it fails.
    pub const fn advice(self) -> &'static str {
        match self {
            Stage::Image => {
                "Build the image (`make vm-image`) or install Gantry anew, and see that the disk has room."
            }
            Stage::Vm => {
                "See `gantry machine logs`: it holds what the virtual machine's program said."
            }
            Stage::Kernel => {
                "Give the machine more memory (`gantry machine set --memory`), or see how far it came by `gantry machine logs`."
            }
            Stage::Engine => {
                "See `gantry machine logs`; `gantry machine reset` makes the machine new, without its containers and images."
            }
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Image => "image",
            Stage::Vm => "vm",
            Stage::Kernel => "kernel",
            Stage::Engine => "engine",
        })
    }
}

/// Why a machine isn't running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The step that failed; none where it ran already.
    pub stage: Option<Stage>,
    /// What went wrong, in one sentence.
    pub message: String,
    /// The last lines of the guest's console.
    pub console: Vec<String>,
    /// What to try.
    pub advice: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Some(stage) => write!(f, "{} failed: {}", stage.doing(), self.message)?,
            None => f.write_str(&self.message)?,
        }
        if !self.console.is_empty() {
            f.write_str("\nThe guest's console ends with:")?;
            for line in &self.console {
                write!(f, "\n  {line}")?;
            }
        }
        if !self.advice.is_empty() {
            write!(f, "\n{}", self.advice)?;
        }
        Ok(())
    }
}

/// What a machine is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// Nothing of it runs.
    Stopped,
    /// On its way up.
    Starting {
        /// How far.
        stage: Stage,
    },
    /// The engine answers.
    Running,
    /// Its processors stand still; the first request wakes it.
    Paused,
    /// On its way down.
    Stopping,
    /// It could not start, or died.
    Failed {
        /// Why.
        cause: Cause,
    },
}

impl State {
    /// One word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Starting { .. } => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Stopping => "stopping",
            State::Failed { .. } => "failed",
        }
    }

    /// Whether nothing more happens without a person.
    pub const fn is_over(&self) -> bool {
        matches!(self, State::Stopped | State::Failed { .. })
    }

    /// Whether `next` may follow.
    pub fn allows(&self, next: &State) -> bool {
        use State::*;
        match (self, next) {
            (Stopped | Failed { .. }, Starting { stage }) => *stage == Stage::Image,
            // Onward; or from the beginning, where the VM died and is started once more.
            (Starting { stage: now }, Starting { stage }) => stage > now || *stage == Stage::Image,
            (Running | Paused, Starting { stage }) => *stage == Stage::Image,
            (Starting { stage }, Running) => *stage == Stage::Engine,
            (Running, Paused) | (Paused, Running) => true,
            (Starting { .. } | Running | Paused, Stopping | Failed { .. }) => true,
            (Stopping, Stopped | Failed { .. }) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<State> {
        let mut all: Vec<State> = Stage::ALL
            .into_iter()
            .map(|stage| State::Starting { stage })
            .collect();
        let cause = Cause {
            stage: None,
            message: String::new(),
            console: Vec::new(),
            advice: String::new(),
        };
        all.extend([
            State::Stopped,
            State::Running,
            State::Paused,
            State::Stopping,
            State::Failed { cause },
        ]);
        all
    }

    #[test]
    fn which_state_may_follow_which() {
        let name = |state: &State| match state {
            State::Starting { stage } => format!("starting({stage})"),
            other => other.word().to_owned(),
        };
        let mut table = String::new();
        for from in all() {
            let to: Vec<String> = all()
                .iter()
                .filter(|to| from.allows(to))
                .map(name)
                .collect();
            table += &format!("{} → {}\n", name(&from), to.join(", "));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_cause_tells_stage_console_and_advice() {
        let cause = Cause {
            stage: Some(Stage::Kernel),
            message: "nothing came within 60 s".into(),
            console: vec!["Kernel panic".into()],
            advice: "Try.".into(),
        };
        assert_eq!(
            cause.to_string(),
            "Booting Linux failed: nothing came within 60 s\nThe guest's console ends with:\n  Kernel panic\nTry."
        );
    }
}
