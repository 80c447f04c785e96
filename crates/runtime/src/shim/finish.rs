//! The end of a container, and of its shim.

use std::io;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use std::os::fd::AsFd;
use time::OffsetDateTime;

use super::connection::{Connection, Phase};
use super::external;
use super::server::Server;
use super::wire::{Boot, Failure, Progress, Reply};
use crate::cgroup::Cgroup;
use crate::{Exit, Runtime};

impl Server {
    /// The first process has ended: nothing of the container outlives it.
    pub(super) fn kill_rest(&self) {
        if let Err(error) = kill_group(&self.boot) {
            eprintln!("killing what is left: {error}");
        }
    }

    /// Everything the container wrote has been read, or can be waited for no longer.
    pub(super) fn is_drained(&self) -> bool {
        let Some(until) = self.drain_until else {
            return false;
        };
        let starting = self
            .processes
            .values()
            .any(|process| process.worker.is_some());
        let open = self
            .processes
            .values()
            .any(|process| !process.stdio.outputs.is_empty());
        let unreaped = self
            .processes
            .values()
            .any(|process| process.ran && process.ended.is_none());
        !(open || starting || unreaped) || Instant::now() >= until
    }

    /// Writes how it ended, then tells everybody, then goes.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let _ = self.log.end();
        let ended = self
            .processes
            .get(&0)
            .and_then(|process| process.ended.clone());
        let oom_killed = Cgroup::open(&self.boot.cgroup)
            .and_then(|cgroup| cgroup.oom_kills())
            .is_ok_and(|kills| kills > 0);
        let exit = Exit {
            code: ended.as_ref().map_or(128 + 9, |ended| ended.code),
            signal: ended.as_ref().and_then(|ended| ended.signal),
            oom_killed,
            finished_at: ended.map_or_else(OffsetDateTime::now_utc, |ended| ended.at),
            error: None,
        };
        // Before anything that may take its time: should the shim be killed meanwhile, the code is known all the same.
        if let Err(error) = exit.write(&self.boot.dirs) {
            eprintln!("exit.json: {error}");
        }
        for error in clean(&self.boot) {
            eprintln!("{error}");
        }
        // From now on whoever comes reads the file.
        self.boot.dirs.forget_state();
        let execs: Vec<u32> = self
            .processes
            .keys()
            .copied()
            .filter(|number| *number != 0)
            .collect();
        for number in execs {
            self.forget_exec(number);
        }
        let ended: Vec<(String, i32)> = self.ended.iter().cloned().collect();
        for connection in self.connections.values_mut() {
            match &connection.phase {
                Phase::WaitExit => connection.reply(&Reply::Exit(exit.clone())),
                Phase::WaitExec(id) => {
                    let code = ended
                        .iter()
                        .rev()
                        .find(|(ended, _)| ended == id)
                        .map(|(_, code)| *code);
                    connection
                        .reply(&code.map_or(Reply::Failed(Failure::NotRunning), Reply::ExecExit));
                }
                Phase::Starting(_) => connection.reply(&Reply::Failed(Failure::NotRunning)),
                Phase::Request | Phase::Attached(_) | Phase::Closing => {}
            }
        }
        // The listener goes first: whoever has connected too late is told so, and reads the file.
        let connections = std::mem::take(&mut self.connections);
        drop(self);
        linger(connections.into_values().collect())
    }

    /// Why the container did not start, once that is known.
    pub(super) fn failed_start(&mut self) -> Option<Failure> {
        self.processes
            .get_mut(&0)
            .and_then(|process| process.failure.take())
    }

    /// Leaves nothing of a container that did not start.
    pub(super) fn finish_failed(mut self, failure: Failure) -> io::Result<()> {
        self.undo();
        self.engine.tell(&Progress::Failed(failure));
        Ok(())
    }

    /// The engine left before the start.
    pub(super) fn abort(mut self) -> io::Result<()> {
        self.undo();
        Ok(())
    }

    fn undo(&mut self) {
        for process in self.processes.values_mut() {
            if let Some(pid) = process
                .worker
                .take()
                .and_then(|worker| rustix::process::Pid::from_raw(worker.pid))
            {
                // It sees that nobody listens any more and gives up; until then it may still make something.
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
        }
        self.kill_rest();
        // The group can't be removed before its processes are gone.
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::empty()) {}
        for error in clean(&self.boot) {
            eprintln!("{error}");
        }
        self.boot.dirs.forget_state();
        self.connections.clear();
    }
}

/// Stays for clients that have not taken the last bytes yet, as long as they are connected. Nobody else waits for this:
/// the exit is known, and the folder is free for the next run.
fn linger(mut connections: Vec<Connection>) -> io::Result<()> {
    loop {
        for mut connection in std::mem::take(&mut connections) {
            match connection.flush() {
                Ok(()) if connection.has_waiting() => connections.push(connection),
                Ok(()) => connection.close(),
                // It has left.
                Err(_) => {}
            }
        }
        if connections.is_empty() {
            return Ok(());
        }
        let mut descriptors: Vec<PollFd<'_>> = connections
            .iter()
            .map(|connection| PollFd::from_borrowed_fd(connection.as_fd(), PollFlags::OUT))
            .collect();
        match rustix::event::poll(&mut descriptors, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn kill_group(boot: &Boot) -> Result<(), crate::cgroup::CgroupError> {
    let cgroup = Cgroup::open(&boot.cgroup)?;
    match cgroup.pids() {
        Ok(pids) if pids.is_empty() => Ok(()),
        Err(crate::cgroup::CgroupError::Gone(_)) => Ok(()),
        _ => cgroup.kill_all(),
    }
}

/// Ends and removes what a container, whose shim may have been killed, has left in the kernel and with its runtime.
pub(super) fn clean(boot: &Boot) -> Vec<String> {
    let mut errors = Vec::new();
    if let Err(error) = kill_group(boot) {
        errors.push(error.to_string());
    }
    if let Runtime::Program { path, .. } = &boot.runtime
        && boot.dirs.runtime_root().join(&boot.id).exists()
    {
        errors.extend(
            external::delete(boot, path)
                .err()
                .map(|error| error.to_string()),
        );
    }
    let removed = Cgroup::open(&boot.cgroup).and_then(|cgroup| cgroup.remove());
    errors.extend(removed.err().map(|error| error.to_string()));
    errors
}
