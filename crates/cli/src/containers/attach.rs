//! `attach`.

use clap::Args;
use clap::builder::ArgAction;

use super::accompany::{Signals, accompanied, redraw, signals};
use super::exit_of::{Exit, waiting};
use super::run::flag;
use crate::app::App;
use crate::daemon::{Call, segment};
use crate::error::{CliError, Result};
use crate::terminal::check_tty;
use crate::terminal::session::{Ended, Session};

/// `--sig-proxy` and `--detach-keys`.
#[derive(Debug, Args)]
pub struct AttachFlags {
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Proxy all received signals to the process
    #[arg(long, action = ArgAction::Set, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    pub sig_proxy: bool,
}

/// Attach local standard input, output, and error streams to a running container
#[derive(Debug, Args)]
pub struct Attach {
    #[command(flatten)]
    flags: AttachFlags,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// The container
    container: String,
}

/// What must be known of a container before attaching to it.
pub struct Target {
    /// Its id.
    pub id: String,
    /// It has a terminal.
    pub tty: bool,
    /// It reads standard input.
    pub open_stdin: bool,
    /// It is removed when it ends.
    pub is_removed: bool,
    /// Its state, as "running".
    pub status: String,
}

impl Target {
    /// Asks the daemon about container `name`.
    pub async fn find(app: &App, name: &str) -> Result<Target> {
        let path = format!("/containers/{}/json", segment(name));
        let container = app.daemon()?.get_json(&path, &[]).await?;
        Ok(Target {
            id: container["Id"].as_str().unwrap_or(name).to_owned(),
            tty: container["Config"]["Tty"].as_bool().unwrap_or(false),
            open_stdin: container["Config"]["OpenStdin"].as_bool().unwrap_or(false),
            is_removed: container["HostConfig"]["AutoRemove"]
                .as_bool()
                .unwrap_or(false),
            status: container["State"]["Status"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

impl Attach {
    /// Runs the verb; the exit code is the container's.
    pub async fn run(self, app: &App) -> Result<()> {
        let target = Target::find(app, &self.container).await?;
        match target.status.as_str() {
            "running" => {}
            "paused" => {
                return Err(CliError::invalid(
                    "You cannot attach to a paused container, unpause it first",
                ));
            }
            "restarting" => {
                return Err(CliError::invalid(
                    "You cannot attach to a restarting container, wait until it is running",
                ));
            }
            _ => {
                return Err(CliError::invalid(
                    "You cannot attach to a stopped container, start it first",
                ));
            }
        }
        let stdin = target.open_stdin && !self.no_stdin;
        check_tty(stdin, target.tty)?;
        let prompt = async {
            if target.tty {
                let container = format!("/containers/{}", segment(&target.id));
                redraw(app.daemon()?, &container).await;
            }
            Ok(())
        };
        match attach(app, &target, &self.flags, stdin, prompt).await? {
            Some(exit) => exit.as_result(),
            None => Err(CliError::invalid("read escape sequence")),
        }
    }
}

/// Joins the person's streams to `target`'s, does `then` once that stands, and returns with the container's exit, or
/// none where the person left it by the detach keys.
pub async fn attach(
    app: &App,
    target: &Target,
    flags: &AttachFlags,
    stdin: bool,
    then: impl Future<Output = Result<()>>,
) -> Result<Option<Exit>> {
    let daemon = app.daemon()?;
    let id = segment(&target.id);
    let keys = app.detach_keys(flags.detach_keys.as_deref())?;
    let path = format!("/containers/{id}/attach");
    let call = Call::post(&path)
        .query("stream", "1")
        .query("stdin", flag(stdin))
        .query("stdout", "1")
        .query("stderr", "1")
        .query_some(
            "detachKeys",
            app.detach_keys_text(flags.detach_keys.as_deref()),
        );
    // A container that is to be started has an exit behind it: the next one counts.
    let condition = match target.status.as_str() {
        "running" => "not-running",
        _ if target.is_removed => "removed",
        _ => "next-exit",
    };
    let (streams, exit) = tokio::try_join!(
        daemon.hijack(call, target.tty),
        waiting(app, &target.id, condition),
    )?;
    let container = format!("/containers/{id}");
    let proxy = if flags.sig_proxy {
        Signals::Forwarded
    } else {
        Signals::Ending
    };
    let signals = signals(daemon, &container, proxy);
    then.await?;
    let session = Session {
        tty: target.tty,
        stdin,
        keys,
    };
    let work = async {
        match session.run(streams).await? {
            Ended::Detached => Ok(None),
            Ended::Output => exit.code().await.map(Some),
        }
    };
    accompanied(daemon, &container, target.tty, signals, work).await
}
