//! The real virtual machine, driven by `gantry machine`, with a home of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::leftovers::processes;
use crate::scratch::Scratch;
use crate::{Image, Said, programs, run, until};

/// What it is called.
const NAME: &str = "t";
/// How much memory it has where nobody says otherwise, in MiB.
const MEMORY: u32 = 1024;

/// A machine; stopped and removed when dropped.
pub struct Machine {
    folder: PathBuf,
    socket: PathBuf,
    own: Option<Scratch>,
}

impl Machine {
    /// Makes one that shares a folder of its own with its engine, and starts it.
    ///
    /// # Panics
    /// Where it doesn't start, with what it said.
    #[must_use]
    pub fn start() -> Self {
        Self::with_memory(MEMORY)
    }

    /// One with so many MiB of memory.
    ///
    /// # Panics
    /// Where it doesn't start, with what it said.
    #[must_use]
    pub fn with_memory(mib: u32) -> Self {
        let scratch = Scratch::new("vm", "");
        let folder = scratch.path().to_owned();
        Self::make(&folder, Some(scratch), mib)
    }

    /// One below a folder of somebody else's, which it shares.
    pub(crate) fn start_in(folder: &Path) -> Self {
        Self::make(folder, None, MEMORY)
    }

    fn make(folder: &Path, own: Option<Scratch>, mib: u32) -> Self {
        let mut machine = Self {
            folder: folder.to_owned(),
            socket: PathBuf::new(),
            own,
        };
        let share = folder.display().to_string();
        machine
            .verb(&[
                "init",
                NAME,
                "--memory",
                &format!("{mib}m"),
                "--share",
                &share,
            ])
            .ok();
        machine.start_again();
        let host = machine.told("{{.Host}}");
        let socket = host.strip_prefix("unix://");
        machine.socket = socket.unwrap_or_else(|| panic!("no socket: {host}")).into();
        machine
    }

    /// `gantry machine …`, to its end.
    #[track_caller]
    pub fn verb<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        run(self
            .command(programs().join("gantry"))
            .arg("machine")
            .args(words))
    }

    /// A program that knows this machine's home and nothing of this computer's user.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command
            .env("GANTRY_MACHINE_HOME", self.home())
            .env("HOME", &self.folder)
            .env("DOCKER_CONFIG", self.folder.join(".docker"));
        command
    }

    /// The docker command line, talking to this machine's engine, to its end.
    #[track_caller]
    pub fn docker<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        run(self
            .command("docker")
            .arg("-H")
            .arg(self.host())
            .args(words))
    }

    /// For `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Where its engine answers.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Gives its engine an image.
    ///
    /// # Panics
    /// Where it doesn't take it.
    #[track_caller]
    pub fn load(&self, image: &Image, tag: &str) {
        let archive = self.folder.join("image.tar");
        std::fs::write(&archive, image.archive(tag)).expect("a file for the image");
        self.docker(&["load", "-q", "-i", &archive.display().to_string()])
            .ok();
    }

    /// Starts it, or takes it up where it runs; returns when its engine answers.
    #[track_caller]
    pub fn start_again(&self) {
        self.verb(&["start", NAME]).ok();
    }

    /// Stops it.
    #[track_caller]
    pub fn stop(&self) {
        self.verb(&["stop", NAME]).ok();
    }

    /// The file that is its data disk.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.home().join("machines").join(NAME).join("data.img")
    }

    /// QEMU's monitor; it has one client at a time, which is the holder.
    #[must_use]
    pub fn monitor(&self) -> PathBuf {
        self.home().join("run").join(NAME).join("qmp.sock")
    }

    fn home(&self) -> PathBuf {
        self.folder.join("m")
    }

    /// A field of what `inspect` tells.
    #[must_use]
    #[track_caller]
    pub fn told(&self, format: &str) -> String {
        self.verb(&["inspect", NAME, "--format", format]).ok()
    }

    /// A folder that the machine shares with its engine.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that is the virtual machine.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn vm(&self) -> u32 {
        self.process("qemu-system-")
    }

    /// The process that holds its sockets and ports on this computer.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn holder(&self) -> u32 {
        self.process("machine host ")
    }

    #[track_caller]
    fn process(&self, words: &str) -> u32 {
        let all = processes(&self.folder);
        all.iter()
            .find(|(_, said)| said.contains(words))
            .unwrap_or_else(|| panic!("no process says `{words}`: {all:?}"))
            .0
    }

    /// Sends SIGKILL and waits until the process is gone.
    pub fn kill(&self, pid: u32) {
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            let _ = kill_process(pid, Signal::KILL);
        }
        until("a killed process should go", || {
            let all = processes(&self.folder);
            match all.into_iter().find(|(one, _)| *one == pid) {
                None => Ok(()),
                Some(left) => Err(left),
            }
        });
    }

    /// Stops and removes it; gives what is left of it.
    pub(crate) fn end(&self) -> Vec<String> {
        let said = self.verb(&["rm", "--force", NAME]);
        let mut left = Vec::new();
        if said.code != 0 {
            left.push(format!("the machine, which can't be removed: {said:?}"));
        }
        let gone = until_gone(&self.folder);
        left.extend(
            gone.into_iter()
                .map(|(pid, words)| format!("process {pid}: {words}")),
        );
        left
    }

    /// Its console and the words of its holder.
    #[must_use]
    pub fn log(&self) -> String {
        let said = self.verb(&["logs", NAME]);
        format!("{}{}", said.stdout, said.stderr)
    }
}

/// What still runs of a machine that was removed, after some patience.
fn until_gone(folder: &Path) -> Vec<(u32, String)> {
    let deadline = std::time::Instant::now() + crate::PATIENCE;
    loop {
        let left = processes(folder);
        if left.is_empty() || std::time::Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.own.is_none() {
            return;
        }
        if std::thread::panicking() {
            eprintln!("--- the machine's last words:\n{}", self.log());
            let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.end()));
            eprintln!("--- left behind: {left:?}");
            return;
        }
        let left = self.end();
        assert!(left.is_empty(), "the machine left behind: {left:#?}");
    }
}
