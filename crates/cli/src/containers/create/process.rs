//! What runs in the container, and which of its streams are whose.

use std::path::PathBuf;

use bollard::models::{ContainerCreateBody, HostConfig};
use clap::Args;

use super::key_values::{environment, labels};
use crate::error::{CliError, Result};

/// The process, its environment and streams.
#[derive(Debug, Args)]
pub struct ProcessFlags {
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "STREAM", ignore_case = true, value_parser = ["stdin", "stdout", "stderr"])]
    pub attach: Vec<String>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub tty: bool,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Set meta data on a container
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    user: Option<String>,
    /// Add additional groups to join
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    init: bool,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Timeout (in seconds) to stop a container
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<i64>,
    /// IPC mode to use
    #[arg(long, value_name = "MODE")]
    ipc: Option<String>,
    /// PID namespace to use
    #[arg(long, value_name = "MODE")]
    pid: Option<String>,
    /// UTS namespace to use
    #[arg(long, value_name = "MODE")]
    uts: Option<String>,
    /// Nobody is to be attached at the start (`run -d`).
    #[arg(skip)]
    pub detached: bool,
}

impl ProcessFlags {
    /// Whether the stream is attached, as `-a` says or, without it, as `otherwise`.
    pub fn attaches(&self, stream: &str, otherwise: bool) -> bool {
        if self.attach.is_empty() {
            return otherwise && !self.detached;
        }
        self.attach
            .iter()
            .any(|named| named.eq_ignore_ascii_case(stream))
    }

    /// Writes the flags into the API's body.
    pub fn apply(&self, body: &mut ContainerCreateBody, host: &mut HostConfig) -> Result<()> {
        body.attach_stdin = Some(self.attaches("stdin", self.interactive));
        body.attach_stdout = Some(self.attaches("stdout", true));
        body.attach_stderr = Some(self.attaches("stderr", true));
        body.tty = Some(self.tty);
        body.open_stdin = Some(self.interactive);
        body.stdin_once = Some(self.interactive && body.attach_stdin == Some(true));
        // An empty text resets the image's entry point.
        body.entrypoint = self
            .entrypoint
            .as_ref()
            .map(|command| vec![command.clone()]);
        body.env = Some(environment(&self.env, &self.env_file)?);
        body.labels = Some(labels(&self.label, &self.label_file)?);
        body.user = self.user.clone();
        if let Some(dir) = &self.workdir
            && !dir.starts_with('/')
        {
            return Err(CliError::invalid(format!(
                "the working directory '{dir}' is invalid, it needs to be an absolute path"
            )));
        }
        body.working_dir = self.workdir.clone();
        body.stop_signal = self.stop_signal.clone();
        body.stop_timeout = self.stop_timeout;
        if !self.annotation.is_empty() {
            host.annotations = Some(super::key_values::map(&self.annotation));
        }
        host.group_add = some(&self.group_add);
        host.init = self.init.then_some(true);
        host.ipc_mode = self.ipc.clone();
        host.pid_mode = self.pid.clone();
        host.uts_mode = self.uts.clone();
        if self.tty {
            host.console_size =
                crate::terminal::size().map(|(rows, columns)| vec![rows.into(), columns.into()]);
        }
        Ok(())
    }
}

/// The list, unless it is empty.
pub fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}
