//! The shim's loop: one thread, one `poll`.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::SocketFlags;
use rustix::process::{Pid, WaitOptions};
use time::OffsetDateTime;

use super::connection::{Attachment, Connection, Phase, Received};
use super::process::{Ended, Process};
use super::stdio::{self, MOST_INPUT, Piece};
use super::wire::{Boot, Reply};
use crate::log::Writer;

/// Clients at a time.
const MOST_CONNECTIONS: usize = 1024;
/// Ended execs whose codes are kept.
pub(super) const MOST_ENDED: usize = 64;
/// How long output is waited for that someone outside the container holds open after its end.
const DRAIN: Duration = Duration::from_secs(2);

/// A shim at work.
pub(super) struct Server {
    pub boot: Boot,
    pub listener: OwnedFd,
    pub signals: OwnedFd,
    pub engine: super::engine::Engine,
    pub log: Writer,
    /// Number 0 is the container, the others are execs.
    pub processes: BTreeMap<u32, Process>,
    pub next_process: u32,
    pub connections: BTreeMap<u64, Connection>,
    pub next_connection: u64,
    /// Codes of execs that have ended, the oldest first.
    pub ended: VecDeque<(String, i32)>,
    /// Ends of processes that no worker has told of yet.
    pub unclaimed: BTreeMap<i32, Ended>,
    pub started_at: OffsetDateTime,
    /// Sent to the container as soon as it has started.
    pub signal_at_start: Option<i32>,
    /// Until when output is still read after the container's end.
    pub drain_until: Option<Instant>,
    pub buffer: Vec<u8>,
}

/// What a descriptor in the poll is.
#[derive(Clone, Copy)]
enum Token {
    Listener,
    Signals,
    Engine,
    Worker(u32),
    Output(u32, usize),
    Input(u32),
    Connection(u64),
}

impl Server {
    /// Serves until the container has ended and everybody knows.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            for (token, events) in self.poll()? {
                self.dispatch(token, events);
            }
            if self.engine.aborts() {
                return self.abort();
            }
            if let Some(failure) = self.failed_start() {
                return self.finish_failed(failure);
            }
            self.finish_execs();
            if self.is_drained() {
                return self.finish();
            }
        }
    }

    fn poll(&self) -> io::Result<Vec<(Token, PollFlags)>> {
        let mut wanted: Vec<(Token, BorrowedFd<'_>, PollFlags)> = vec![
            (Token::Listener, self.listener.as_fd(), PollFlags::IN),
            (Token::Signals, self.signals.as_fd(), PollFlags::IN),
        ];
        if let Some(engine) = self.engine.waits() {
            wanted.push((Token::Engine, engine, PollFlags::IN));
        }
        for (number, process) in &self.processes {
            if let Some(worker) = &process.worker {
                wanted.push((Token::Worker(*number), worker.as_fd(), PollFlags::IN));
            }
            // What an exec says before its client is connected waits in the pipe.
            if (*number == 0 || process.ran) && self.may_read(*number) {
                for (index, (_, output)) in process.stdio.outputs.iter().enumerate() {
                    wanted.push((Token::Output(*number, index), output.as_fd(), PollFlags::IN));
                }
            }
            if let Some(input) = process
                .stdio
                .input
                .as_ref()
                .filter(|_| !process.stdio.waiting.is_empty())
            {
                wanted.push((Token::Input(*number), input.as_fd(), PollFlags::OUT));
            }
        }
        for (number, connection) in &self.connections {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.wants_input(connection));
            flags.set(PollFlags::OUT, connection.has_waiting());
            wanted.push((Token::Connection(*number), connection.as_fd(), flags));
        }
        poll_all(&wanted, self.drain_until)
    }

    /// Output is read unless a client is too far behind.
    fn may_read(&self, number: u32) -> bool {
        // After the end only what the pipes hold is left.
        self.drain_until.is_some() || !self.attached(number).any(Connection::is_behind)
    }

    fn attached(&self, number: u32) -> impl Iterator<Item = &Connection> {
        let attached = move |connection: &&Connection| matches!(&connection.phase, Phase::Attached(attachment) if attachment.process == number);
        self.connections.values().filter(attached)
    }

    fn wants_input(&self, connection: &Connection) -> bool {
        match &connection.phase {
            Phase::Request => true,
            Phase::Attached(attachment) => {
                let process = self.processes.get(&attachment.process);
                attachment.input_open
                    && process.is_none_or(|process| process.stdio.waiting.len() < MOST_INPUT)
            }
            _ => false,
        }
    }

    fn dispatch(&mut self, token: Token, events: PollFlags) {
        match token {
            Token::Listener => self.accept(),
            Token::Signals => self.reap(),
            Token::Engine => {
                if self.engine.hear() {
                    self.go();
                }
            }
            Token::Worker(number) => self.hear_worker(number),
            Token::Output(number, index) => self.read_output(number, index),
            Token::Input(number) => {
                if let Some(process) = self.processes.get_mut(&number) {
                    process.stdio.feed();
                }
            }
            Token::Connection(number) => self.serve(number, events),
        }
    }

    fn accept(&mut self) {
        while let Ok(socket) =
            rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        {
            if self.connections.len() < MOST_CONNECTIONS {
                self.connections
                    .insert(self.next_connection, Connection::new(socket));
                self.next_connection += 1;
            }
        }
    }

    fn reap(&mut self) {
        let mut signals = [0; 128 * 8];
        while rustix::io::read(&self.signals, &mut signals).is_ok() {}
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = Pid::as_raw(Some(pid));
            let ended = Ended::from(status);
            if let Some((number, process)) = self
                .processes
                .iter_mut()
                // The number of one that has ended may be another's by now.
                .find(|(_, process)| process.pid == Some(pid) && process.ended.is_none())
            {
                process.ended = Some(ended);
                let number = *number;
                self.process_ended(number);
            } else if self
                .processes
                .values()
                .any(|process| process.worker.is_some())
            {
                self.unclaimed.insert(pid, ended);
            }
        }
        if self
            .processes
            .values()
            .all(|process| process.worker.is_none())
        {
            self.unclaimed.clear();
        }
    }

    /// Once for every process: the container's end begins the shim's own.
    pub(super) fn process_ended(&mut self, number: u32) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let code = process.ended.as_ref().map_or(0, |ended| ended.code);
        if number == 0 {
            if process.worker.is_none() {
                self.kill_rest();
                self.drain_until = Some(Instant::now() + DRAIN);
            }
            return;
        }
        let Some(id) = process.exec_id.clone() else {
            return;
        };
        for connection in self.connections.values_mut() {
            if matches!(&connection.phase, Phase::WaitExec(wanted) if *wanted == id) {
                connection.reply(&Reply::ExecExit(code));
                connection.phase = Phase::Closing;
            }
        }
        self.flush_all();
    }

    fn read_output(&mut self, number: u32, index: usize) {
        if self.buffer.is_empty() {
            self.buffer.resize(32 << 10, 0);
        }
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let Some((stream, output)) = process.stdio.outputs.get(index) else {
            return;
        };
        let stream = *stream;
        match stdio::read(output, &mut self.buffer) {
            Piece::Nothing => {}
            // Marked here, removed in `finish_execs`: other tokens of this round carry indices.
            Piece::End => process.ended_outputs.push(index),
            Piece::Bytes(length) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                if number == 0 {
                    // A full disk costs log lines, not the container.
                    let _ = self.log.write(stream, bytes);
                }
                let mut gone = Vec::new();
                for (id, connection) in &mut self.connections {
                    if matches!(&connection.phase, Phase::Attached(attachment) if attachment.process == number)
                    {
                        connection.output(stream, bytes);
                        if connection.flush().is_err() {
                            gone.push(*id);
                        }
                    }
                }
                for id in gone {
                    self.leave(id);
                }
            }
        }
    }

    fn serve(&mut self, number: u64, events: PollFlags) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if events.contains(PollFlags::OUT) && connection.flush().is_err() {
            return self.leave(number);
        }
        if matches!(connection.phase, Phase::Closing) && !connection.has_waiting() {
            if let Some(connection) = self.connections.remove(&number) {
                connection.close();
            }
            return;
        }
        let half_closed =
            matches!(&connection.phase, Phase::Attached(attachment) if attachment.input_open);
        if events.contains(PollFlags::IN) {
            match connection.phase {
                Phase::Request => self.read_request(number),
                Phase::Attached(_) => self.read_input(number),
                _ => {}
            }
        }
        // Gone altogether. What it sent before has been taken above, a piece a round.
        if events.intersects(PollFlags::HUP | PollFlags::ERR)
            && !(half_closed && events.contains(PollFlags::IN))
        {
            self.leave(number);
        }
    }

    fn read_input(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let outcome = connection.receive(16 << 10);
        match outcome {
            Received::Nothing => {}
            Received::Bytes(_) => self.forward_input(number),
            Received::End => self.end_input(number),
        }
    }

    /// Gives what a client has sent to its process.
    pub(super) fn forward_input(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let bytes = std::mem::take(&mut connection.received);
        let Phase::Attached(Attachment { process, want, .. }) = &connection.phase else {
            return;
        };
        let Some(process) = self.processes.get_mut(process).filter(|_| want.stdin) else {
            return;
        };
        if process.stdio.input.is_some() {
            process.stdio.waiting.extend_from_slice(&bytes);
            process.stdio.feed();
        }
    }

    /// The client sends no more; its process' input ends with it where that was asked for.
    fn end_input(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let Phase::Attached(attachment) = &mut connection.phase else {
            return;
        };
        let first = std::mem::take(&mut attachment.input_open);
        let (process, wants) = (attachment.process, attachment.want.stdin);
        let once = process != 0 || self.boot.stdin_once;
        if let Some(process) = self
            .processes
            .get_mut(&process)
            .filter(|_| first && wants && once)
        {
            process.stdio.ending = true;
            process.stdio.feed();
        }
    }

    /// A client has vanished.
    pub(super) fn leave(&mut self, number: u64) {
        self.end_input(number);
        self.connections.remove(&number);
    }

    pub(super) fn flush_all(&mut self) {
        let mut gone = Vec::new();
        for (number, connection) in &mut self.connections {
            if connection.flush().is_err() {
                gone.push(*number);
            }
        }
        for number in gone {
            self.leave(number);
        }
        let done: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                matches!(connection.phase, Phase::Closing) && !connection.has_waiting()
            })
            .map(|(number, _)| *number)
            .collect();
        for number in done {
            if let Some(connection) = self.connections.remove(&number) {
                connection.close();
            }
        }
    }
}

fn poll_all(
    wanted: &[(Token, BorrowedFd<'_>, PollFlags)],
    deadline: Option<Instant>,
) -> io::Result<Vec<(Token, PollFlags)>> {
    let mut descriptors: Vec<PollFd<'_>> = wanted
        .iter()
        .map(|(_, descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags))
        .collect();
    let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut descriptors, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let ready = wanted
        .iter()
        .zip(&descriptors)
        .filter(|(_, descriptor)| !descriptor.revents().is_empty());
    Ok(ready
        .map(|((token, _, _), descriptor)| (*token, descriptor.revents()))
        .collect())
}
