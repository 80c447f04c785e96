//! The container's process and its execs.

use std::os::fd::OwnedFd;

use rustix::process::WaitStatus;
use time::OffsetDateTime;

use super::connection::{Attachment, Phase};
use super::server::{MOST_ENDED, Server};
use super::stdio::Stdio;
use super::wire::{ExecRequest, Failure, Progress, Reply};
use super::worker::{News, Worker};
use super::{enter, external};
use crate::Runtime;

/// The container's process or an exec.
#[derive(Default)]
pub(super) struct Process {
    pub stdio: Stdio,
    /// Whoever starts it, until it runs.
    pub worker: Option<Worker>,
    /// Known from when it is created.
    pub pid: Option<i32>,
    /// It runs its program, or did.
    pub ran: bool,
    pub ended: Option<Ended>,
    pub exec_id: Option<String>,
    /// Outputs found at their end in this round.
    pub ended_outputs: Vec<usize>,
    pub uid: u32,
    pub console_size: Option<crate::spec::ConsoleSize>,
    /// What the one who asked for it is attached to.
    pub attach: crate::AttachOptions,
    /// Why it did not run.
    pub failure: Option<Failure>,
}

/// How a process ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub code: i32,
    pub signal: Option<i32>,
    pub at: OffsetDateTime,
}

impl From<WaitStatus> for Ended {
    fn from(status: WaitStatus) -> Ended {
        let signal = status.terminating_signal();
        let code = signal.map_or_else(|| status.exit_status().unwrap_or(0), |signal| 128 + signal);
        Ended {
            code,
            signal,
            at: OffsetDateTime::now_utc(),
        }
    }
}

impl Server {
    /// The engine wants the container to run.
    pub(super) fn go(&mut self) {
        if let Some(process) = self
            .processes
            .get_mut(&0)
            .filter(|process| process.pid.is_some())
            && let Some(worker) = &process.worker
        {
            // A worker that is gone tells so itself.
            let _ = worker.go();
        }
    }

    pub(super) fn hear_worker(&mut self, number: u32) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let Some(worker) = &process.worker else {
            return;
        };
        match worker.news() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => self.not_started(number, Failure::Runtime(format!("worker: {error}"))),
            Ok(None) => self.not_started(
                number,
                Failure::Runtime("the shim's worker was killed".to_owned()),
            ),
            Ok(Some((News::Failed(failure), _))) => self.not_started(number, failure),
            Ok(Some((News::Created(pid), terminal))) => self.created(number, pid, terminal),
            Ok(Some((News::Started, _))) => self.started(number),
        }
    }

    fn created(&mut self, number: u32, pid: i32, terminal: Option<OwnedFd>) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.pid = Some(pid);
        if let Some(terminal) = terminal
            && let Err(error) = process
                .stdio
                .adopt(terminal, process.uid, process.console_size)
        {
            return self.not_started(number, Failure::Runtime(format!("terminal: {error}")));
        }
        if let Some(ended) = self.unclaimed.remove(&pid) {
            process.ended = Some(ended);
        }
        if number == 0 && self.engine.said_go {
            self.go();
        }
    }

    fn started(&mut self, number: u32) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let pid = process.pid.unwrap_or(0).unsigned_abs();
        process.worker = None;
        process.ran = true;
        let (has_ended, framed) = (process.ended.is_some(), !process.stdio.has_terminal());
        if number == 0 {
            self.started_at = OffsetDateTime::now_utc();
            let at = self.started_at;
            self.engine.tell(&Progress::Started { pid, at });
            self.engine.done();
            // Without it the shim is only larger.
            let _ = crate::sys::forget_code();
            if let Some(signal) = self.signal_at_start.take().filter(|_| !has_ended)
                && let Some(pid) = pid.try_into().ok().filter(|pid| *pid > 0)
            {
                // It may just have ended by itself.
                let _ = crate::sys::kill(pid, signal);
            }
        } else {
            self.exec_started(number, pid, framed);
        }
        if has_ended {
            self.process_ended(number);
        }
    }

    fn exec_started(&mut self, number: u32, pid: u32, framed: bool) {
        let starting =
            |phase: &Phase| matches!(phase, Phase::Starting(wanted) if *wanted == number);
        let found = self
            .connections
            .iter_mut()
            .find(|(_, connection)| starting(&connection.phase));
        let Some((id, connection)) = found else {
            return;
        };
        let id = *id;
        connection.reply(&Reply::ExecStarted { pid });
        let want = self
            .processes
            .get(&number)
            .map(|process| process.attach)
            .unwrap_or_default();
        if want == crate::AttachOptions::default() {
            connection.phase = Phase::Closing;
        } else {
            connection.phase = Phase::Attached(Attachment {
                process: number,
                want,
                framed,
                input_open: true,
            });
        }
        self.flush_all();
        self.forward_input(id);
    }

    fn not_started(&mut self, number: u32, failure: Failure) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.worker = None;
        if number == 0 {
            process.failure = Some(failure);
            return;
        }
        if let Some(pid) = process
            .pid
            .filter(|_| process.ended.is_none())
            .and_then(rustix::process::Pid::from_raw)
        {
            // It did not become the program: nothing of it may stay.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.processes.remove(&number);
        for connection in self.connections.values_mut() {
            if matches!(connection.phase, Phase::Starting(wanted) if wanted == number) {
                connection.reply(&Reply::Failed(failure.clone()));
                connection.phase = Phase::Closing;
            }
        }
        self.flush_all();
    }

    /// Starts an exec for a client.
    pub(super) fn start_exec(&mut self, client: u64, request: &ExecRequest) -> Result<(), Failure> {
        let container = self
            .processes
            .get(&0)
            .filter(|process| process.ran && process.ended.is_none());
        let init = container
            .and_then(|process| process.pid)
            .ok_or(Failure::NotRunning)?;
        if self
            .processes
            .values()
            .any(|process| process.exec_id.as_ref() == Some(&request.id))
        {
            return Err(Failure::Invalid(format!(
                "exec {} is running already",
                request.id
            )));
        }
        let tty = request.process.terminal().unwrap_or(false);
        let uid = request.process.user().uid();
        let want = if tty {
            crate::AttachOptions::default()
        } else {
            request.attach
        };
        let wrong = |error: std::io::Error| Failure::Runtime(format!("exec: {error}"));
        let (stdio, ends) = Stdio::pipes(want, uid).map_err(wrong)?;
        let number = self.next_process;
        self.next_process += 1;
        let boot = &self.boot;
        let worker = Worker::fork(|shim| match &boot.runtime {
            Runtime::Builtin => enter::exec(boot, init, &request.process, ends, shim),
            Runtime::Program { path, .. } => {
                external::exec(boot, path, number, request, ends, shim)
            }
        });
        let process = Process {
            stdio,
            worker: Some(worker.map_err(wrong)?),
            exec_id: Some(request.id.clone()),
            uid,
            console_size: request.console_size,
            attach: request.attach,
            ..Process::default()
        };
        self.processes.insert(number, process);
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.phase = Phase::Starting(number);
        }
        Ok(())
    }

    /// Forgets what has ended: outputs at their end, execs that have ended and said everything.
    pub(super) fn finish_execs(&mut self) {
        let mut done = Vec::new();
        for (number, process) in &mut self.processes {
            let mut ended = std::mem::take(&mut process.ended_outputs);
            ended.sort_unstable();
            ended.dedup();
            for index in ended.into_iter().rev() {
                process.stdio.outputs.remove(index);
            }
            if *number != 0
                && process.ran
                && process.ended.is_some()
                && process.stdio.outputs.is_empty()
            {
                done.push(*number);
            }
        }
        for number in done {
            self.forget_exec(number);
        }
    }

    pub(super) fn forget_exec(&mut self, number: u32) {
        let Some(process) = self.processes.remove(&number) else {
            return;
        };
        let code = process.ended.map_or(128 + 9, |ended| ended.code);
        if let Some(id) = process.exec_id {
            self.ended.push_back((id, code));
            if self.ended.len() > MOST_ENDED {
                self.ended.pop_front();
            }
        }
        for connection in self.connections.values_mut() {
            if matches!(&connection.phase, Phase::Attached(attachment) if attachment.process == number)
            {
                connection.phase = Phase::Closing;
            }
        }
        self.flush_all();
    }
}
