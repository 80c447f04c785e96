//! `exec`.

use std::path::PathBuf;

use bollard::models::ExecConfig;
use clap::Args;
use serde_json::json;

use super::accompany::{Signals, accompanied, signals};
use super::create::environment;
use super::run::{UNKNOWN, start_code};
use crate::app::App;
use crate::daemon::{Call, Daemon, segment};
use crate::error::{CliError, Result};
use crate::terminal::session::{Ended, Session};
use crate::terminal::{self, check_tty};

/// Execute a command in a running container
#[derive(Debug, Args)]
#[command(override_usage = "gantry exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
pub struct Exec {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// The container, and what runs in it
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"])]
    container_and_command: Vec<String>,
}

impl Exec {
    /// Runs the verb; the exit code is the command's.
    pub async fn run(self, app: &App) -> Result<()> {
        let Some((container, command)) = self.container_and_command.split_first() else {
            return Err(CliError::invalid("no container was named"));
        };
        let daemon = app.daemon()?;
        let attached = !self.detach;
        let stdin = self.interactive && attached;
        check_tty(stdin, self.tty)?;
        let keys = app.detach_keys(self.detach_keys.as_deref())?;
        let config = ExecConfig {
            attach_stdin: Some(stdin),
            attach_stdout: Some(attached),
            attach_stderr: Some(attached),
            detach_keys: app
                .detach_keys_text(self.detach_keys.as_deref())
                .map(str::to_owned),
            tty: Some(self.tty),
            env: Some(environment(&self.env, &self.env_file)?),
            cmd: Some(command.to_vec()),
            privileged: Some(self.privileged),
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            console_size: self
                .tty
                .then(terminal::size)
                .flatten()
                .map(|(rows, columns)| vec![rows.into(), columns.into()]),
        };
        let exec = daemon
            .docker()
            .create_exec(&segment(container), config)
            .await?;
        let path = format!("/exec/{}/start", segment(&exec.id));
        let start = Call::post(&path).json(&json!({"Detach": self.detach, "Tty": self.tty}))?;
        if self.detach {
            return daemon.call(start).await.map(drop).map_err(coded);
        }
        let streams = daemon.hijack(start, self.tty).await.map_err(coded)?;
        let session = Session {
            tty: self.tty,
            stdin,
            keys,
        };
        let process = format!("/exec/{}", segment(&exec.id));
        let work = async {
            match session.run(streams).await? {
                Ended::Detached => Err(CliError::invalid("read escape sequence")),
                Ended::Output => exit(daemon, &exec.id).await,
            }
        };
        let signals = signals(daemon, &process, Signals::Ending);
        accompanied(daemon, &process, self.tty, signals, work).await
    }
}

/// A command that is missing or can't run has its shell's exit code, as with `run`.
fn coded(error: CliError) -> CliError {
    let code = match &error {
        CliError::Daemon { message, .. } => start_code(message),
        _ => UNKNOWN,
    };
    if code == UNKNOWN {
        return error;
    }
    CliError::Coded {
        code,
        prefix: "",
        source: Box::new(error),
        suffix: "",
    }
}

async fn exit(daemon: &Daemon, id: &str) -> Result<()> {
    let exec = daemon.docker().inspect_exec(&segment(id)).await?;
    match exec.exit_code.unwrap_or(0) & 0xff {
        0 => Ok(()),
        code => Err(CliError::Exit(u8::try_from(code).unwrap_or(u8::MAX))),
    }
}
