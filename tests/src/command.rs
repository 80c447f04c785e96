//! Programs and what they say.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::{PATIENCE, until};

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// The command as it was run, for messages.
    pub command: String,
    /// Exit code; 128 and the signal's number where it was killed.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    /// Its output, trimmed.
    ///
    /// # Panics
    /// Where it failed, with all that it said.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout.trim_end().to_owned()
    }

    /// Its error output, trimmed.
    ///
    /// # Panics
    /// Where it didn't end with this code.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.stderr.trim_end().to_owned()
    }
}

/// Runs a program to its end, without input.
///
/// # Panics
/// Where it can't be started, or doesn't end in time: then it is killed.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    command.stdin(Stdio::null());
    Running::start(command).end()
}

/// A program that runs beside the test; killed when dropped.
pub struct Running {
    command: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Running {
    /// Starts a program and collects what it says. Its input is as the command has it.
    ///
    /// # Panics
    /// Where it can't be started.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Output::collect(child.stdout.take());
        let stderr = Output::collect(child.stderr.take());
        Self {
            command: format!("{command:?}"),
            child,
            stdout,
            stderr,
        }
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process's input, once, where the command has piped it.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard output holds `text`.
    ///
    /// # Panics
    /// Where it doesn't in time.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        until(&format!("{} should say {text:?}", self.command), || {
            let said = self.stdout();
            if said.contains(text) {
                Ok(())
            } else {
                Err((said, self.stderr()))
            }
        });
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it doesn't end in time, with what it said until then; it is killed.
    #[track_caller]
    pub fn end(mut self) -> Said {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(std::time::Duration::from_millis(2))
                }
                other => {
                    let _ = self.child.kill();
                    panic!(
                        "{} has not ended ({other:?}); it said {:?} and {:?}",
                        self.command,
                        self.stdout(),
                        self.stderr()
                    );
                }
            }
        };
        Said {
            command: self.command.clone(),
            code: code(status),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// One output of a program, read as it comes.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Output {
    fn collect(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reading = pipe.map(|mut pipe| {
            std::thread::spawn(move || {
                let mut block = [0; 8192];
                while let Ok(length @ 1..) = pipe.read(&mut block) {
                    into.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&block[..length]);
                }
            })
        });
        Self { bytes, reading }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// All of it: after the program's end. A program of its own that still holds the pipe is not waited for long.
    fn whole(&mut self) -> String {
        if let Some(reading) = self.reading.take() {
            let deadline = Instant::now() + PATIENCE;
            while !reading.is_finished() && Instant::now() < deadline {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        self.text()
    }
}
