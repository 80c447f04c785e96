//! Starting an exec, and its end.

use std::sync::Arc;

use gantry_runtime::spec::ConsoleSize;
use gantry_runtime::{AttachOptions, AttachStream, ClientError, ExecSpec, ShimClient};

use super::{Exec, ExecState, check_running, command_line};
use crate::containers::{dirs, notes};
use crate::error::{Error, Result};
use crate::state::Engine;

/// How to start.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartExec {
    /// Nobody is attached.
    pub detach: bool,
    /// Size of the terminal from the start.
    pub console_size: Option<ConsoleSize>,
}

/// A started exec.
#[derive(Debug)]
pub struct Running {
    /// The exec.
    pub exec: Arc<Exec>,
    /// Its stdio, unless detached.
    pub stream: Option<AttachStream>,
}

/// Starts an exec that was created.
pub async fn start(engine: &Arc<Engine>, id: &str, command: StartExec) -> Result<Running> {
    let exec = engine.execs.get(id)?;
    let container = engine
        .containers
        .get(&exec.container)
        .ok_or_else(|| Error::not_found(format!("No such container: {}", exec.container)))?;
    check_running(&container)?;
    let claimed = exec.state.send_if_modified(|state| {
        let is_new = *state == ExecState::Created;
        if is_new {
            *state = ExecState::Starting;
        }
        is_new
    });
    if !claimed {
        return Err(match exec.state() {
            ExecState::Ended { .. } => Error::conflict(format!("exec {id} has already run")),
            _ => Error::conflict(format!("Error: Exec command {id} is already running")),
        });
    }
    engine.execs.started(&exec);
    let record = container.record();
    let config = &exec.config;
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let wants = |flag: Option<bool>| flag == Some(true) && !command.detach;
    let spec = ExecSpec {
        id: exec.id.clone(),
        args: config.cmd.clone().unwrap_or_default(),
        env: config.env.clone().unwrap_or_default(),
        cwd: text(&config.working_dir),
        user: text(&config.user),
        tty: config.tty == Some(true),
        privileged: config.privileged == Some(true),
        attach: AttachOptions {
            stdin: wants(config.attach_stdin),
            stdout: wants(config.attach_stdout),
            stderr: wants(config.attach_stderr),
        },
        console_size: command.console_size,
    };
    let client = ShimClient::new(dirs::of(&engine.config, record.id()));
    let started = match client.exec(&spec).await {
        Ok(started) => started,
        Err(error) => {
            let code = match &error {
                ClientError::NotFound(_) => 127,
                _ => 126,
            };
            engine.execs.end(&exec, code);
            return Err(error.into());
        }
    };
    exec.state
        .send_replace(ExecState::Running { pid: started.pid });
    let attributes = [("execID", exec.id.clone())];
    notes::publish(
        engine,
        &record,
        format!("exec_start: {}", command_line(&exec)),
        &attributes,
    );
    let (waiter, waited) = (Arc::clone(engine), Arc::clone(&exec));
    tokio::spawn(async move {
        // When the container ends first, its processes are killed with it.
        let code = client
            .exec_exited(&waited.id)
            .await
            .unwrap_or(128 + libc::SIGKILL);
        waiter.execs.end(&waited, code);
        let attributes = [
            ("execID", waited.id.clone()),
            ("exitCode", code.to_string()),
        ];
        notes::publish(&waiter, &record, "exec_die", &attributes);
    });
    Ok(Running {
        exec,
        stream: started.stream,
    })
}

/// Sets the size of a running exec's terminal.
pub async fn resize(engine: &Engine, id: &str, size: ConsoleSize) -> Result<()> {
    let exec = engine.execs.get(id)?;
    if !matches!(exec.state(), ExecState::Running { .. }) {
        return Err(Error::conflict(format!("exec {id} is not running")));
    }
    Ok(ShimClient::new(dirs::of(&engine.config, &exec.container))
        .exec_resize(id, size)
        .await?)
}
