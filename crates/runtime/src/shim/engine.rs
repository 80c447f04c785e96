//! The engine that started this shim, as long as it waits for the outcome.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::wire::{self, Progress};

/// Two pipes: one byte "go" comes in, [`Progress`] goes out.
pub(super) struct Engine {
    input: Option<File>,
    output: Option<File>,
    pub said_go: bool,
}

impl Engine {
    pub fn new(input: OwnedFd, output: OwnedFd) -> Engine {
        Engine {
            input: Some(input.into()),
            output: Some(output.into()),
            said_go: false,
        }
    }

    /// What to poll while the go is still to come.
    pub fn waits(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(File::as_fd)
    }

    /// Reads the go; true when it has come.
    pub fn hear(&mut self) -> bool {
        let mut byte = [0];
        let heard = self
            .input
            .take()
            .is_some_and(|mut input| matches!(input.read(&mut byte), Ok(1)));
        self.said_go |= heard;
        heard
    }

    /// It left, or was killed, before the go: nothing ran yet, and nothing shall.
    pub fn aborts(&self) -> bool {
        self.input.is_none() && !self.said_go
    }

    /// Tells it, if it is still there.
    pub fn tell(&mut self, progress: &Progress) {
        if let Some(output) = &mut self.output
            && wire::send(output, progress).is_err()
        {
            self.output = None;
        }
    }

    /// The outcome is known: lets go of it.
    pub fn done(&mut self) {
        self.output = None;
    }
}
