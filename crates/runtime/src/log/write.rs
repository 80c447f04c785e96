//! The shim's side: output in, lines of a bounded set of files out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use time::OffsetDateTime;

use super::files::Files;
use super::{Config, Driver, LONGEST_PIECE, LogError, Stream, line};

/// Writes the log of one container. There is one writer of a log at a time: its shim.
///
/// An error leaves the writer usable: what could not be written is lost, and the next write tries again, so that a
/// full disk costs lines and not the container.
pub struct Writer {
    files: Files,
    config: Config,
    /// `None`: the driver keeps nothing.
    file: Option<File>,
    size: u64,
    /// The last write broke off, or an earlier writer did: the next line must not be glued to its rest.
    torn: bool,
    last_number: u64,
    unfinished: [Vec<u8>; 2],
    lines: Vec<u8>,
}

impl Writer {
    /// Opens the log in `folder`, which is made where missing, and goes on where an earlier writer stopped.
    ///
    /// # Errors
    /// Where the folder or the file can't be made.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, LogError> {
        let mut writer = Self {
            files: Files::new(folder),
            config: config.clone(),
            file: None,
            size: 0,
            torn: false,
            last_number: 0,
            unfinished: [Vec::new(), Vec::new()],
            lines: Vec::new(),
        };
        if config.driver == Driver::None {
            return Ok(writer);
        }
        let fail = |verb, source| LogError::File {
            verb,
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(|source| fail("make", source))?;
        let numbers = writer
            .files
            .numbers()
            .map_err(|source| fail("list", source))?;
        writer.last_number = numbers.last().copied().unwrap_or(0);
        writer.open_current()?;
        Ok(writer)
    }

    /// Takes what the container wrote; whole lines are in the file when this returns.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        if self.file.is_none() {
            return Ok(());
        }
        let time = stamp(OffsetDateTime::now_utc());
        let mut rest = bytes;
        let mut outcome = Ok(());
        while !rest.is_empty() {
            let unfinished = &mut self.unfinished[slot(stream)];
            let room = (LONGEST_PIECE - unfinished.len()).min(rest.len());
            let newline = rest[..room].iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(room, |at| at + 1);
            let (piece, after) = rest.split_at(taken);
            rest = after;
            if unfinished.is_empty() && (newline.is_some() || taken == LONGEST_PIECE) {
                outcome = outcome.and(self.add(&time, stream, piece));
                continue;
            }
            unfinished.extend_from_slice(piece);
            if newline.is_some() || unfinished.len() == LONGEST_PIECE {
                outcome = outcome.and(self.add_unfinished(&time, stream));
            }
        }
        outcome.and(self.flush())
    }

    /// Writes what is left of unfinished lines: the container's outputs have ended.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn end(&mut self) -> Result<(), LogError> {
        let time = stamp(OffsetDateTime::now_utc());
        let stdout = self.add_unfinished(&time, Stream::Stdout);
        let stderr = self.add_unfinished(&time, Stream::Stderr);
        stdout.and(stderr).and(self.flush())
    }

    fn add_unfinished(&mut self, time: &str, stream: Stream) -> Result<(), LogError> {
        let mut piece = std::mem::take(&mut self.unfinished[slot(stream)]);
        let outcome = if piece.is_empty() {
            Ok(())
        } else {
            self.add(time, stream, &piece)
        };
        piece.clear();
        self.unfinished[slot(stream)] = piece;
        outcome
    }

    /// Adds one entry to `lines`, rotating first where the file would grow beyond its size.
    fn add(&mut self, time: &str, stream: Stream, piece: &[u8]) -> Result<(), LogError> {
        if self.file.is_none() {
            return Ok(());
        }
        let before = self.lines.len();
        line::encode(&mut self.lines, time, stream, piece);
        let full = self.size.saturating_add(self.lines.len() as u64) > self.config.max_size;
        if !full || self.size + before as u64 == 0 {
            return Ok(());
        }
        let entry = self.lines.split_off(before);
        let outcome = self.flush().and_then(|()| self.rotate());
        self.lines.extend_from_slice(&entry);
        outcome
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if self.lines.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.lines.insert(0, b'\n');
        }
        let written = file.write_all(&self.lines);
        match written {
            Ok(()) => {
                self.size += self.lines.len() as u64;
                self.torn = false;
            }
            Err(_) => {
                self.torn = true;
                self.size = file.metadata().map_or(self.size, |metadata| metadata.len());
            }
        }
        self.lines.clear();
        written.map_err(|source| self.failed("write", source))
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        // The oldest first: on a full disk this is what makes room.
        let kept = usize::try_from(self.config.max_files)
            .unwrap_or(usize::MAX)
            .saturating_sub(2);
        self.delete_all_but(kept)?;
        let number = self.last_number + 1;
        match fs::rename(self.files.current(), self.files.rotated(number)) {
            Ok(()) => self.last_number = number,
            // An earlier rotation came only so far: the disk had no room for a new file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(self.failed("rotate", source)),
        }
        self.open_current()?;
        if self.config.max_files == 1 {
            self.delete_all_but(0)?;
        }
        Ok(())
    }

    fn delete_all_but(&self, kept: usize) -> Result<(), LogError> {
        let numbers = self
            .files
            .numbers()
            .map_err(|source| self.failed("list", source))?;
        for number in &numbers[..numbers.len().saturating_sub(kept)] {
            match fs::remove_file(self.files.rotated(*number)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(self.failed("delete", source)),
            }
        }
        Ok(())
    }

    fn open_current(&mut self) -> Result<(), LogError> {
        let path = self.files.current();
        let open = || -> io::Result<(File, u64, bool)> {
            let file = File::options()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o640)
                .open(&path)?;
            let size = file.metadata()?.len();
            let mut last = [b'\n'];
            if size > 0 {
                file.read_exact_at(&mut last, size - 1)?;
            }
            Ok((file, size, last != [b'\n']))
        };
        let (file, size, torn) = open().map_err(|source| self.failed("open", source))?;
        (self.file, self.size, self.torn) = (Some(file), size, torn);
        Ok(())
    }

    fn failed(&self, verb: &'static str, source: io::Error) -> LogError {
        LogError::File {
            verb,
            path: self.files.current(),
            source,
        }
    }
}

fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

/// RFC 3339 with all nine digits: equal lengths sort as text.
fn stamp(time: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond()
    )
}
