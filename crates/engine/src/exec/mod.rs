//! Processes started in a running container beside its own (`docker exec`).
//!
//! An exec lives in memory only: it is between one client and the container's shim, and a new engine knows none.

mod start;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_api::models::{ExecConfig, ExecInspectResponse, ProcessConfig};
use tokio::sync::watch;

pub use start::{Running, StartExec, resize, start};

use crate::containers::{Container, ContainerId, Phase, notes};
use crate::error::{Error, Result};
use crate::state::Engine;

/// How many ended execs are remembered, for clients that ask for the exit code.
const ENDED: usize = 64;
/// How many may be created and not yet started.
const WAITING: usize = 1024;

/// Where an exec is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecState {
    /// Not started.
    Created,
    /// Being started.
    Starting,
    /// Its process runs.
    Running {
        /// In the host's numbers.
        pid: u32,
    },
    /// It ended.
    Ended {
        /// What a shell would say.
        code: i32,
    },
}

/// One exec.
#[derive(Debug)]
pub struct Exec {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Where it runs.
    pub container: ContainerId,
    /// What was asked for.
    pub config: ExecConfig,
    state: watch::Sender<ExecState>,
}

impl Exec {
    /// Where it is in its life.
    pub fn state(&self) -> ExecState {
        *self.state.borrow()
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        let mut changes = self.state.subscribe();
        // The sender is ours, so it can't be gone.
        let _ = changes
            .wait_for(|state| matches!(state, ExecState::Ended { .. }))
            .await;
    }
}

/// All execs of an engine.
#[derive(Debug, Default)]
pub struct Execs {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    execs: HashMap<String, Arc<Exec>>,
    waiting: VecDeque<String>,
    ended: VecDeque<String>,
}

impl Execs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exec of that id.
    pub fn get(&self, id: &str) -> Result<Arc<Exec>> {
        self.known().execs.get(id).cloned().ok_or_else(|| {
            Error::not_found(format!(
                "No such exec instance: {}",
                id.chars().take(80).collect::<String>().escape_debug()
            ))
        })
    }

    /// Ids of a container's execs that run.
    pub fn running_in(&self, container: &ContainerId) -> Vec<String> {
        let known = self.known();
        let mut ids: Vec<String> = known
            .execs
            .values()
            .filter(|exec| {
                exec.container == *container && matches!(exec.state(), ExecState::Running { .. })
            })
            .map(|exec| exec.id.clone())
            .collect();
        ids.sort();
        ids
    }

    fn add(&self, exec: Arc<Exec>) {
        let mut known = self.known();
        known.waiting.push_back(exec.id.clone());
        known.execs.insert(exec.id.clone(), exec);
        while known.waiting.len() > WAITING {
            if let Some(oldest) = known.waiting.pop_front() {
                known.execs.remove(&oldest);
            }
        }
    }

    fn started(&self, exec: &Exec) {
        self.known().waiting.retain(|id| *id != exec.id);
    }

    fn end(&self, exec: &Exec, code: i32) {
        let mut known = self.known();
        if !matches!(
            exec.state.send_replace(ExecState::Ended { code }),
            ExecState::Ended { .. }
        ) {
            known.ended.push_back(exec.id.clone());
        }
        while known.ended.len() > ENDED {
            if let Some(oldest) = known.ended.pop_front() {
                known.execs.remove(&oldest);
            }
        }
    }

    /// Ends what is left of a container that ended; those that were never started are forgotten.
    pub fn forget_of(&self, container: &ContainerId) {
        let mut known = self.known();
        let never: Vec<String> = known
            .execs
            .values()
            .filter(|exec| exec.container == *container && exec.state() == ExecState::Created)
            .map(|exec| exec.id.clone())
            .collect();
        for id in never {
            known.execs.remove(&id);
            known.waiting.retain(|waiting| *waiting != id);
        }
    }
}

/// A new id.
pub fn new_id() -> String {
    ContainerId::random().as_str().to_owned()
}

/// Creates an exec in a running container.
pub fn create(engine: &Engine, container: &Container, config: ExecConfig) -> Result<String> {
    let record = container.record();
    check_running(container)?;
    if config.cmd.as_ref().is_none_or(Vec::is_empty) {
        return Err(Error::invalid("No exec command specified"));
    }
    if config
        .env
        .iter()
        .flatten()
        .any(|variable| variable.is_empty() || variable.starts_with('=') || variable.contains('\0'))
    {
        return Err(Error::invalid("invalid environment variable"));
    }
    let directory = config.working_dir.as_deref().unwrap_or_default();
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            directory.escape_debug()
        )));
    }
    let exec = Exec {
        id: new_id(),
        container: record.id().clone(),
        config,
        state: watch::Sender::new(ExecState::Created),
    };
    let (id, command) = (exec.id.clone(), command_line(&exec));
    // Whoever hears of it can look it up.
    engine.execs.add(Arc::new(exec));
    let action = format!("exec_create: {command}");
    notes::publish(engine, &record, action, &[("execID", id.clone())]);
    Ok(id)
}

fn command_line(exec: &Exec) -> String {
    exec.config
        .cmd
        .iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether something can be started in a container.
fn check_running(container: &Container) -> Result<()> {
    container.with(|record| match record.state.phase {
        Phase::Running => Ok(()),
        Phase::Paused => Err(Error::conflict(format!(
            "Container {} is paused, unpause the container before exec",
            record.id()
        ))),
        Phase::Restarting => Err(Error::conflict(format!(
            "Container {} is restarting, wait until the container is running",
            record.id()
        ))),
        _ => Err(Error::conflict(format!(
            "container {} is not running",
            record.id()
        ))),
    })
}

/// What is known of an exec.
pub fn inspect(exec: &Exec) -> ExecInspectResponse {
    let config = &exec.config;
    let (running, code, pid) = match exec.state() {
        ExecState::Created | ExecState::Starting => (false, None, 0),
        ExecState::Running { pid } => (true, None, i64::from(pid)),
        ExecState::Ended { code } => (false, Some(i64::from(code)), 0),
    };
    let mut words = config.cmd.iter().flatten().cloned();
    ExecInspectResponse {
        can_remove: Some(false),
        detach_keys: config.detach_keys.clone(),
        id: Some(exec.id.clone()),
        running: Some(running),
        exit_code: code,
        process_config: Some(ProcessConfig {
            privileged: Some(config.privileged == Some(true)),
            user: config.user.clone(),
            tty: Some(config.tty == Some(true)),
            entrypoint: words.next(),
            arguments: Some(words.collect()),
        }),
        open_stdin: Some(config.attach_stdin == Some(true)),
        open_stderr: Some(config.attach_stderr == Some(true)),
        open_stdout: Some(config.attach_stdout == Some(true)),
        container_id: Some(exec.container.as_str().to_owned()),
        pid: Some(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(container: &ContainerId) -> Arc<Exec> {
        Arc::new(Exec {
            id: new_id(),
            container: container.clone(),
            config: ExecConfig::default(),
            state: watch::Sender::new(ExecState::Created),
        })
    }

    #[test]
    fn the_oldest_ended_are_forgotten() {
        let (execs, container) = (Execs::default(), ContainerId::random());
        let all: Vec<Arc<Exec>> = (0..ENDED + 2).map(|_| exec(&container)).collect();
        for one in &all {
            execs.add(Arc::clone(one));
            execs.started(one);
            execs.end(one, 0);
            execs.end(one, 0);
        }
        assert!(execs.get(&all[0].id).is_err());
        assert!(execs.get(&all[1].id).is_err());
        assert!(execs.get(&all[2].id).is_ok());
        assert_eq!(execs.known().execs.len(), ENDED);
    }

    #[test]
    fn those_never_started_go_with_their_container() {
        let (execs, container) = (Execs::default(), ContainerId::random());
        let (mine, other) = (exec(&container), exec(&ContainerId::random()));
        execs.add(Arc::clone(&mine));
        execs.add(Arc::clone(&other));
        execs.forget_of(&container);
        assert!(execs.get(&mine.id).is_err());
        assert!(execs.get(&other.id).is_ok());
    }
}
