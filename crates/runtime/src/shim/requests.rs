//! What clients ask a shim.

use super::connection::{Attachment, Phase, Received};
use super::server::Server;
use super::wire::{self, Failure, Reply, Request};
use crate::client::{AttachOptions, ShimState};
use crate::spec::ConsoleSize;

impl Server {
    pub(super) fn read_request(&mut self, client: u64) {
        let Some(connection) = self.connections.get_mut(&client) else {
            return;
        };
        if let Received::End = connection.receive(16 << 10) {
            self.connections.remove(&client);
            return;
        }
        match wire::decode::<Request>(&mut connection.received) {
            Ok(None) => {}
            Ok(Some(request)) => self.answer(client, request),
            Err(_) => drop(self.connections.remove(&client)),
        }
    }

    fn answer(&mut self, client: u64, request: Request) {
        let reply = match request {
            Request::State => Ok(Some(Reply::State(self.state()))),
            Request::Kill(signal) => self.kill(signal).map(|()| Some(Reply::Done)),
            Request::Wait => self.wait(client, Phase::WaitExit),
            Request::Attach(want) => self.attach(client, want),
            Request::Resize(exec, size) => self
                .resize(exec.as_deref(), size)
                .map(|()| Some(Reply::Done)),
            Request::Exec(request) => self.start_exec(client, &request).map(|()| None),
            Request::ExecWait(id) => self.wait_exec(client, id),
        };
        let Some(connection) = self.connections.get_mut(&client) else {
            return;
        };
        match reply {
            Ok(None) => {}
            Ok(Some(reply)) => connection.reply(&reply),
            Err(failure) => connection.reply(&Reply::Failed(failure)),
        }
        if matches!(connection.phase, Phase::Request) {
            connection.phase = Phase::Closing;
        }
        let attached = matches!(connection.phase, Phase::Attached(_));
        self.flush_all();
        if attached {
            self.forward_input(client);
        }
    }

    fn state(&self) -> ShimState {
        let running = self.processes.values().filter_map(|process| {
            Some((
                process.exec_id.clone()?,
                process.ended.as_ref().map(|ended| ended.code),
            ))
        });
        ShimState {
            pid: self
                .processes
                .get(&0)
                .and_then(|process| process.pid)
                .unwrap_or(0)
                .unsigned_abs(),
            started_at: self.started_at,
            execs: self
                .ended
                .iter()
                .map(|(id, code)| (id.clone(), Some(*code)))
                .chain(running)
                .collect(),
        }
    }

    fn kill(&mut self, signal: i32) -> Result<(), Failure> {
        // Real-time signals included.
        if !(1..=64).contains(&signal) {
            return Err(Failure::Invalid(format!("invalid signal: {signal}")));
        }
        let process = self
            .processes
            .get(&0)
            .filter(|process| process.ended.is_none())
            .ok_or(Failure::NotRunning)?;
        if process.worker.is_some() {
            // Still starting: an engine that was killed meanwhile left it to go on, and its successor wants it ended.
            self.signal_at_start = Some(signal);
            return Ok(());
        }
        let pid = process.pid.ok_or(Failure::NotRunning)?;
        crate::sys::kill(pid, signal).map_err(|error| Failure::Runtime(format!("kill: {error}")))
    }

    fn wait(&mut self, client: u64, phase: Phase) -> Result<Option<Reply>, Failure> {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.phase = phase;
        }
        Ok(None)
    }

    fn attach(&mut self, client: u64, want: AttachOptions) -> Result<Option<Reply>, Failure> {
        if self
            .processes
            .get(&0)
            .is_none_or(|process| process.ended.is_some())
        {
            return Err(Failure::NotRunning);
        }
        let attachment = Attachment {
            process: 0,
            want,
            framed: !self.boot.tty,
            input_open: true,
        };
        self.wait(client, Phase::Attached(attachment))?;
        Ok(Some(Reply::Done))
    }

    fn resize(&self, exec: Option<&str>, size: ConsoleSize) -> Result<(), Failure> {
        let wanted = |id: &Option<String>| id.as_deref() == exec;
        let process = self
            .processes
            .values()
            .find(|process| wanted(&process.exec_id));
        let process = process
            .filter(|process| process.ended.is_none())
            .ok_or_else(|| match exec {
                Some(id) => Failure::NoSuchExec(id.to_owned()),
                None => Failure::NotRunning,
            })?;
        process
            .stdio
            .resize(size)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::Unsupported => {
                    Failure::Invalid("the process has no terminal".to_owned())
                }
                _ => Failure::Runtime(format!("resize: {error}")),
            })
    }

    fn wait_exec(&mut self, client: u64, id: String) -> Result<Option<Reply>, Failure> {
        let running = self
            .processes
            .values()
            .find(|process| process.exec_id.as_ref() == Some(&id));
        if let Some(process) = running {
            return match &process.ended {
                Some(ended) => Ok(Some(Reply::ExecExit(ended.code))),
                None => self.wait(client, Phase::WaitExec(id)),
            };
        }
        let code = self
            .ended
            .iter()
            .rev()
            .find(|(ended, _)| *ended == id)
            .map(|(_, code)| *code);
        code.map(|code| Some(Reply::ExecExit(code)))
            .ok_or(Failure::NoSuchExec(id))
    }
}
