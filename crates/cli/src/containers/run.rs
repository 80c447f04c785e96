//! `run`: create, attach, wait, start — in this order, so that no byte and no exit is missed.

use clap::Args;
use clap::builder::ArgAction;

use super::accompany::{Signals, accompanied, signals};
use super::create::{ContainerFlags, create};
use super::exit_of::{Exit, waiting};
use crate::app::App;
use crate::daemon::{Call, segment};
use crate::error::{CliError, Result};
use crate::output;
use crate::terminal::check_tty;
use crate::terminal::detach::DetachKeys;
use crate::terminal::session::{Ended, Session};

/// Create and run a new container from an image
#[derive(Debug, Args)]
#[command(override_usage = "gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub struct Run {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Proxy received signals to the process
    #[arg(long, action = ArgAction::Set, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    sig_proxy: bool,
    #[command(flatten)]
    flags: ContainerFlags,
    /// The image, and what runs in it instead of its own command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE [COMMAND] [ARG...]"
    )]
    image_and_command: Vec<String>,
}

impl Run {
    /// Runs the verb; the exit code is the container's.
    pub async fn run(self, app: &App) -> Result<()> {
        if self.detach {
            self.in_background(app).await
        } else {
            self.attached(app).await
        }
    }

    async fn in_background(mut self, app: &App) -> Result<()> {
        if !self.flags.process.attach.is_empty() {
            return Err(CliError::invalid(
                "conflicting options: cannot specify both --attach and --detach",
            ));
        }
        // Nobody is attached, so standard input stays open for who attaches later.
        self.flags.process.detached = true;
        let created = create(app, &self.flags, &self.image_and_command)
            .await
            .map_err(not_created)?;
        // Before the start: one that can't start is there all the same, and this is how to get at it.
        output::line(&created.id)?;
        start(app, &created.id).await.map_err(not_started)
    }

    async fn attached(self, app: &App) -> Result<()> {
        let process = &self.flags.process;
        let stdin = process.attaches("stdin", process.interactive) && process.interactive;
        let (stdout, stderr) = (
            process.attaches("stdout", true),
            process.attaches("stderr", true),
        );
        check_tty(stdin, process.tty)?;
        let keys = app.detach_keys(self.detach_keys.as_deref())?;
        let tty = process.tty;
        let created = create(app, &self.flags, &self.image_and_command)
            .await
            .map_err(not_created)?;
        let id = created.id;
        let daemon = app.daemon()?;

        let path = format!("/containers/{}/attach", segment(&id));
        let attach = Call::post(&path)
            .query("stream", "1")
            .query("stdin", flag(stdin))
            .query("stdout", flag(stdout))
            .query("stderr", flag(stderr))
            .query_some(
                "detachKeys",
                app.detach_keys_text(self.detach_keys.as_deref()),
            );
        let end = if self.flags.rm {
            "removed"
        } else {
            "next-exit"
        };
        let (streams, exit) =
            tokio::try_join!(daemon.hijack(attach, tty), waiting(app, &id, end)).map_err(failed)?;

        let container = format!("/containers/{}", segment(&id));
        let proxy = if self.sig_proxy {
            Signals::Forwarded
        } else {
            Signals::Ending
        };
        let signals = signals(daemon, &container, proxy);
        start(app, &id).await.map_err(not_started)?;
        let session = Session { tty, stdin, keys };
        let work = async {
            match session.run(streams).await? {
                Ended::Detached => Ok(None),
                Ended::Output => exit.code().await.map(Some),
            }
        };
        let exit = accompanied(daemon, &container, tty, signals, work)
            .await
            .map_err(failed)?;
        exit.map_or(Ok(()), Exit::as_result)
    }
}

async fn start(app: &App, id: &str) -> Result<()> {
    let path = format!("/containers/{}/start", segment(id));
    app.daemon()?.call(Call::post(&path)).await.map(drop)
}

/// `1` or `0`, as the API has booleans.
pub fn flag(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// The container could not be made. Where that is the command line's fault, the help is at hand.
fn not_created(error: CliError) -> CliError {
    let hint = match &error {
        CliError::Invalid(_) | CliError::File { .. } => {
            "\n\nRun 'gantry run --help' for more information"
        }
        _ => "",
    };
    coded(error, UNKNOWN, hint)
}

/// The container could not be started: 127 for a missing command, 126 for one that can't run, else 125.
fn not_started(error: CliError) -> CliError {
    let code = match &error {
        CliError::Daemon { message, .. } => start_code(message),
        _ => UNKNOWN,
    };
    coded(error, code, "")
}

/// The container was lost sight of.
fn failed(error: CliError) -> CliError {
    coded(error, UNKNOWN, "")
}

fn coded(error: CliError, code: u8, suffix: &'static str) -> CliError {
    if error.is_silent() {
        return error;
    }
    CliError::Coded {
        code,
        prefix: "gantry: ",
        source: Box::new(error),
        suffix,
    }
}

/// Docker's exit code for what fails before the process and isn't its fault.
pub const UNKNOWN: u8 = 125;

/// The exit code for a start that failed with `message`.
pub fn start_code(message: &str) -> u8 {
    let has = |text: &str| message.contains(text);
    if has("executable file not found")
        || has("no such file or directory")
        || has("system cannot find the file")
    {
        127
    } else if has("permission denied") || has("not a directory") || has("is a directory") {
        126
    } else {
        UNKNOWN
    }
}

impl App {
    /// The keys that leave a container: the flag's, the configuration's, or docker's.
    pub fn detach_keys(&self, flag: Option<&str>) -> Result<DetachKeys> {
        self.detach_keys_text(flag)
            .map_or_else(|| Ok(DetachKeys::default()), str::parse)
    }

    /// As [`App::detach_keys`], in words; none for docker's own. The engine is told, since it watches for them too.
    pub fn detach_keys_text<'a>(&'a self, flag: Option<&'a str>) -> Option<&'a str> {
        flag.filter(|keys| !keys.is_empty())
            .or(self.config.detach_keys())
    }
}

#[cfg(test)]
mod tests {
    use super::start_code;

    #[test]
    fn exit_codes_are_dockers() {
        assert_eq!(
            start_code("exec: \"x\": executable file not found in $PATH: unknown"),
            127
        );
        assert_eq!(
            start_code("exec: \"/x\": stat /x: no such file or directory"),
            127
        );
        assert_eq!(start_code("exec: \"/etc\": permission denied"), 126);
        assert_eq!(start_code("No such image: x"), 125);
    }
}
