//! Standard input and output of a process, on the shim's side.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::client::AttachOptions;
use crate::log::Stream;
use crate::spec::ConsoleSize;

/// What the process gets; nothing is `/dev/null`.
#[derive(Default)]
pub(super) struct ChildEnds {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

/// Most bytes that wait for the process to read its input.
pub(super) const MOST_INPUT: usize = 64 << 10;

/// The shim's ends; all without blocking.
#[derive(Default)]
pub(super) struct Stdio {
    /// Where input goes, until it is closed.
    pub input: Option<OwnedFd>,
    /// Where output comes from, each until its end.
    pub outputs: Vec<(Stream, OwnedFd)>,
    /// The terminal, for its size.
    terminal: Option<OwnedFd>,
    /// Input that the process has not taken yet.
    pub waiting: Vec<u8>,
    /// Close the input when nothing waits any more.
    pub ending: bool,
}

impl Stdio {
    /// Pipes for the streams that are wanted, owned by the process' user so that it can open `/dev/stdout` again.
    pub fn pipes(want: AttachOptions, uid: u32) -> io::Result<(Stdio, ChildEnds)> {
        let mut stdio = Stdio::default();
        let mut ends = ChildEnds::default();
        let owner = Some(rustix::fs::Uid::from_raw(uid));
        if want.stdin {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            rustix::fs::fchown(&read, owner, None)?;
            rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
            stdio.input = Some(write);
            ends.stdin = Some(read);
        }
        let mut output = |stream| -> io::Result<OwnedFd> {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            rustix::fs::fchown(&write, owner, None)?;
            rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
            stdio.outputs.push((stream, read));
            Ok(write)
        };
        if want.stdout {
            ends.stdout = Some(output(Stream::Stdout)?);
        }
        if want.stderr {
            ends.stderr = Some(output(Stream::Stderr)?);
        }
        Ok((stdio, ends))
    }

    /// Takes a terminal that the runtime has made.
    pub fn adopt(
        &mut self,
        master: OwnedFd,
        uid: u32,
        size: Option<ConsoleSize>,
    ) -> io::Result<()> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        rustix::fs::fchown(&slave, Some(rustix::fs::Uid::from_raw(uid)), None)?;
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        self.input = Some(master.try_clone()?);
        self.outputs = vec![(Stream::Stdout, master.try_clone()?)];
        self.terminal = Some(master);
        size.map_or(Ok(()), |size| self.resize(size))
    }

    pub fn has_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Sets the terminal's size; the kernel tells the process with `SIGWINCH`.
    pub fn resize(&self, size: ConsoleSize) -> io::Result<()> {
        let Some(terminal) = &self.terminal else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let size = Winsize {
            ws_row: size.height,
            ws_col: size.width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(terminal, size)?)
    }

    /// Gives the process what waits, as far as it takes it.
    pub fn feed(&mut self) {
        while let Some(input) = self.input.as_ref().filter(|_| !self.waiting.is_empty()) {
            match rustix::io::write(input.as_fd(), &self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                // Nobody reads any more.
                Err(_) => {
                    self.waiting.clear();
                    if self.terminal.is_none() {
                        self.input = None;
                    }
                }
            }
        }
        if self.ending && self.waiting.is_empty() && self.terminal.is_none() {
            self.input = None;
        }
    }
}

/// A piece of output, or why there is none.
pub(super) enum Piece {
    Bytes(usize),
    Nothing,
    End,
}

/// Reads what there is.
pub(super) fn read(output: &OwnedFd, buffer: &mut [u8]) -> Piece {
    loop {
        match rustix::io::read(output, &mut *buffer) {
            Ok(0) => return Piece::End,
            Ok(length) => return Piece::Bytes(length),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Piece::Nothing,
            // A terminal that nobody has open any more says EIO.
            Err(_) => return Piece::End,
        }
    }
}
