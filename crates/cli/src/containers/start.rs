//! `start`.

use clap::Args;

use super::attach::{AttachFlags, Target, attach};
use crate::app::App;
use crate::daemon::{Call, segment};
use crate::error::{CliError, Result};
use crate::flags::targets::each;
use crate::terminal::check_tty;

/// Start one or more stopped containers
#[derive(Debug, Args)]
pub struct Start {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    #[command(flatten)]
    flags: AttachFlags,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Start {
    /// Runs the verb; attached, the exit code is the container's.
    pub async fn run(self, app: &App) -> Result<()> {
        if !self.attach && !self.interactive {
            return each(&self.containers, |name| start(app, name)).await;
        }
        let [name] = self.containers.as_slice() else {
            return Err(CliError::invalid(
                "you cannot start and attach multiple containers at once",
            ));
        };
        let target = Target::find(app, name).await?;
        let stdin = self.interactive && target.open_stdin;
        check_tty(stdin, target.tty)?;
        let starting = start(app, &target.id);
        match attach(app, &target, &self.flags, stdin, starting).await? {
            Some(exit) => exit.as_result(),
            // Left by the detach keys.
            None => Ok(()),
        }
    }
}

async fn start(app: &App, name: &str) -> Result<()> {
    let path = format!("/containers/{}/start", segment(name));
    app.daemon()?.call(Call::post(&path)).await.map(drop)
}
