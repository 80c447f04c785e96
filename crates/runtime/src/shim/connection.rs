//! One client of the shim: a request, then perhaps a stream.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{RecvFlags, SendFlags, Shutdown};
use serde::Serialize;

use super::wire;
use crate::client::AttachOptions;
use crate::log::Stream;

/// Bytes that may wait for a client. A process whose client is behind that far is not read any further, however long
/// that takes: it waits for its reader as it would in a pipeline, and nothing is lost. One who is gone is told by the
/// socket.
const MOST_WAITING: usize = 1 << 20;

/// What a connection is for.
pub(super) enum Phase {
    /// Its request has not come yet.
    Request,
    /// It waits for the container's end.
    WaitExit,
    /// It waits for the end of an exec.
    WaitExec(String),
    /// Its exec is being started.
    Starting(u32),
    /// It is the stdio of a process.
    Attached(Attachment),
    /// It gets what waits, then it is closed.
    Closing,
}

/// A connection to a process' stdio.
pub(super) struct Attachment {
    pub process: u32,
    pub want: AttachOptions,
    /// Output is sent in frames.
    pub framed: bool,
    /// The client may still send.
    pub input_open: bool,
}

/// A client.
pub(super) struct Connection {
    socket: OwnedFd,
    pub phase: Phase,
    /// Received, not used yet.
    pub received: Vec<u8>,
    waiting: Vec<u8>,
    sent: usize,
}

/// What came of reading.
pub(super) enum Received {
    Bytes(usize),
    Nothing,
    End,
}

impl Connection {
    pub fn new(socket: OwnedFd) -> Connection {
        Connection {
            socket,
            phase: Phase::Request,
            received: Vec::new(),
            waiting: Vec::new(),
            sent: 0,
        }
    }

    pub fn is_behind(&self) -> bool {
        self.waiting.len() - self.sent >= MOST_WAITING
    }

    pub fn has_waiting(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// Puts a message in line.
    pub fn reply(&mut self, message: &impl Serialize) {
        match wire::encode(message) {
            Ok(bytes) => self.waiting.extend_from_slice(&bytes),
            Err(_) => self.phase = Phase::Closing,
        }
    }

    /// Puts output in line, if it is wanted.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let Phase::Attached(attachment) = &self.phase else {
            return;
        };
        let (wanted, number) = match stream {
            Stream::Stdout => (attachment.want.stdout, 1),
            Stream::Stderr => (attachment.want.stderr, 2),
        };
        if !wanted {
            return;
        }
        if attachment.framed {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
            self.waiting.extend_from_slice(&[number, 0, 0, 0]);
            self.waiting.extend_from_slice(&length);
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// Sends what waits, as far as the client takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .waiting
            .get(self.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match rustix::net::send(
                &self.socket,
                rest,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            ) {
                Ok(sent) => self.sent += sent,
                Err(rustix::io::Errno::AGAIN) => {
                    // Keep what waits in front, without moving it for every few bytes.
                    if self.sent > self.waiting.len() / 2 {
                        self.waiting.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Ok(());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // Give large buffers back: most of the time nothing waits.
        if self.waiting.capacity() > 64 << 10 {
            self.waiting = Vec::new();
        }
        self.waiting.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads into `received`, at most `most` bytes.
    pub fn receive(&mut self, most: usize) -> Received {
        let start = self.received.len();
        self.received.resize(start + most, 0);
        let outcome = loop {
            let place = self.received.get_mut(start..).unwrap_or_default();
            match rustix::net::recv(&self.socket, place, RecvFlags::DONTWAIT) {
                Ok((0, _)) => break Received::End,
                Ok((length, _)) => break Received::Bytes(length),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break Received::Nothing,
                Err(_) => break Received::End,
            }
        };
        let length = if let Received::Bytes(length) = outcome {
            length
        } else {
            0
        };
        self.received.truncate(start + length);
        outcome
    }

    /// Ends the connection so that the client sees an end and no reset: what it has sent is taken off first.
    pub fn close(mut self) {
        // The peer may be gone already.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        while matches!(self.receive(16 << 10), Received::Bytes(_)) {
            self.received.clear();
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
