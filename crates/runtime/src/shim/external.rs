//! Other OCI runtimes: programs with runc's command line, run by a worker.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::builtin::{CONSOLE_SOCKET, accept_console};
use super::stdio::ChildEnds;
use super::wire::{Boot, ExecRequest, Failure};
use super::worker::{News, Shim};
use crate::sys;

/// Where the program writes its own messages; relative, as all files of a shim are.
const LOG: &str = "runtime.log";

fn command(boot: &Boot, program: &Path, log: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(boot.dirs.runtime_root()).args([
        "--log",
        log,
        "--log-format",
        "json",
    ]);
    command.current_dir(&boot.dirs.state);
    sys::with_default_signals(&mut command);
    command
}

fn give(command: &mut Command, ends: ChildEnds) {
    let stdio = |end: Option<OwnedFd>| end.map_or_else(Stdio::null, Stdio::from);
    command
        .stdin(stdio(ends.stdin))
        .stdout(stdio(ends.stdout))
        .stderr(stdio(ends.stderr));
}

/// Creates the container, waits for the go, starts it.
pub(super) fn create(
    boot: &Boot,
    program: &Path,
    ends: ChildEnds,
    shim: &Shim,
) -> Result<(), Failure> {
    let console = boot
        .tty
        .then(|| UnixListener::bind(CONSOLE_SOCKET))
        .transpose()
        .map_err(|e| wrong("console", &e))?;
    let mut create = command(boot, program, LOG);
    create
        .arg("create")
        .arg("--bundle")
        .arg(&boot.dirs.state)
        .args(["--pid-file", "init.pid"]);
    if boot.tty {
        create.args(["--console-socket", CONSOLE_SOCKET]);
    }
    create.arg(&boot.id);
    give(&mut create, ends);
    run(create, LOG)?;
    let pid = read_pid(&boot.dirs.state.join("init.pid"))?;
    let terminal = match console {
        Some(listener) => {
            Some(accept_console(&listener).map_err(|error| wrong("console", &error))?)
        }
        None => None,
    };
    shim.tell(&News::Created(pid), terminal.as_ref().map(OwnedFd::as_fd))
        .map_err(|error| wrong("shim", &error))?;
    drop(terminal);
    if !shim.wait_for_go() {
        return Err(Failure::Runtime(
            "the engine left before the start".to_owned(),
        ));
    }
    let mut start = command(boot, program, LOG);
    start.arg("start").arg(&boot.id);
    give(&mut start, ChildEnds::default());
    run(start, LOG)?;
    shim.tell(&News::Started, None)
        .map_err(|error| wrong("shim", &error))
}

/// Runs a further process.
pub(super) fn exec(
    boot: &Boot,
    program: &Path,
    number: u32,
    request: &ExecRequest,
    ends: ChildEnds,
    shim: &Shim,
) -> Result<(), Failure> {
    let name = |what: &str| format!("exec-{number}.{what}");
    let tty = request.process.terminal().unwrap_or(false);
    let console = tty
        .then(|| UnixListener::bind(name("sock")))
        .transpose()
        .map_err(|error| wrong("console", &error))?;
    let json =
        serde_json::to_vec(&request.process).map_err(|error| wrong("process", &error.into()))?;
    std::fs::write(name("json"), json).map_err(|error| wrong("process", &error))?;
    let log = name("log");
    let mut exec = command(boot, program, &log);
    exec.args([
        "exec",
        "--detach",
        "--process",
        &name("json"),
        "--pid-file",
        &name("pid"),
    ]);
    if tty {
        exec.args(["--console-socket", &name("sock")]);
    }
    exec.arg(&boot.id);
    give(&mut exec, ends);
    let outcome = run(exec, &log).and_then(|()| {
        let pid = read_pid(Path::new(&name("pid")))?;
        let terminal = match &console {
            Some(listener) => {
                Some(accept_console(listener).map_err(|error| wrong("console", &error))?)
            }
            None => None,
        };
        let terminal = terminal.as_ref().map(OwnedFd::as_fd);
        shim.tell(&News::Created(pid), terminal)
            .map_err(|error| wrong("shim", &error))?;
        shim.tell(&News::Started, None)
            .map_err(|error| wrong("shim", &error))
    });
    for file in ["sock", "json", "log", "pid"] {
        // Not all are made in each case; the folder goes with the shim anyway.
        let _ = std::fs::remove_file(name(file));
    }
    outcome
}

/// Removes what the program keeps of a container that has ended.
pub(super) fn delete(boot: &Boot, program: &Path) -> io::Result<()> {
    let mut delete = command(boot, program, LOG);
    delete.args(["delete", "--force"]).arg(&boot.id);
    give(&mut delete, ChildEnds::default());
    let status = delete.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "{} delete: {status}",
            program.display()
        )))
    }
}

fn run(mut command: Command, log: &str) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|error| wrong(&command.get_program().to_string_lossy(), &error))?;
    if status.success() {
        return Ok(());
    }
    let text = std::fs::read_to_string(log).unwrap_or_default();
    Err(understand(last_error(&text).unwrap_or_else(|| {
        format!("{}: {status}", command.get_program().display())
    })))
}

#[derive(Deserialize)]
struct Line {
    level: String,
    msg: String,
}

fn last_error(log: &str) -> Option<String> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines
        .filter(|line| line.level == "error" || line.level == "fatal")
        .map(|line| line.msg)
        .next_back()
}

/// Sorts a runtime's words: the program's own failures have exit codes of their own.
fn understand(text: String) -> Failure {
    const START: &str = "unable to start container process: ";
    let inner = text
        .find(START)
        .and_then(|at| text.get(at + START.len()..))
        .unwrap_or(&text);
    let lower = inner.to_ascii_lowercase();
    let of_program = inner.starts_with("exec")
        || lower.contains("executable file")
        || lower.starts_with("open executable");
    let has = |words: &str| lower.contains(words);
    if of_program && (has("not found") || has("no such file or directory")) {
        Failure::NotFound(inner.to_owned())
    } else if of_program
        && (has("permission denied") || has("is a directory") || has("exec format error"))
    {
        Failure::NotExecutable(inner.to_owned())
    } else {
        Failure::Runtime(text)
    }
}

fn read_pid(path: &Path) -> Result<i32, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| wrong("pid file", &error))?;
    text.trim()
        .parse()
        .map_err(|_| Failure::Runtime(format!("pid file: {text:?}")))
}

fn wrong(what: &str, error: &io::Error) -> Failure {
    Failure::Runtime(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_runtimes() {
        let log = concat!(
            r#"{"level":"warning","msg":"x","time":"t"}"#,
            "\n",
            r#"{"level":"error","msg":"runc create failed: unable to start container process: exec: \"x\": executable file not found in $PATH"}"#,
            "\n",
        );
        let text = last_error(log).unwrap();
        assert_eq!(
            understand(text),
            Failure::NotFound(r#"exec: "x": executable file not found in $PATH"#.into())
        );
        let crun = "executable file `x` not found in $PATH: No such file or directory";
        assert!(matches!(understand(crun.into()), Failure::NotFound(_)));
        let denied = "unable to start container process: exec: \"/etc\": permission denied";
        assert!(matches!(
            understand(denied.into()),
            Failure::NotExecutable(_)
        ));
        let mount = "error mounting \"/x\": no such file or directory";
        assert_eq!(understand(mount.into()), Failure::Runtime(mount.into()));
    }
}
