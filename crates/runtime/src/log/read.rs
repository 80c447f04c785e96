//! Reading entries in order, file after file. Blocking; [`super::follow`] puts it off the reactor.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;

use super::files::Files;
use super::line::{LONGEST_LINE, parse};
use super::seek::{self, Place};
use super::{Entry, Query, Stream};

const BLOCK: usize = 64 * 1024;

/// What a step of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There may be more at once.
    More,
    /// All that was written so far is read.
    AtEnd,
    /// Nothing that comes later can be wanted.
    Finished,
}

/// Where reading has got to.
#[derive(Debug)]
pub(super) struct Reader {
    files: Files,
    query: Query,
    place: Option<Place>,
    /// Bytes read and not yet parsed: the beginning of a line.
    rest: Vec<u8>,
    /// In the middle of a line that is too long to be one of ours.
    skipping: bool,
    /// Where the log ended when reading began: a reader that doesn't follow stops here, however fast the container
    /// writes.
    last: Option<(u64, u64)>,
}

impl Reader {
    /// Finds the place to begin at.
    pub(super) fn open(files: Files, query: Query) -> io::Result<Self> {
        let mut reader = Self {
            files,
            query,
            place: None,
            rest: Vec::new(),
            skipping: false,
            last: None,
        };
        if !reader.query.follow {
            let Some(newest) = reader.files.newest()? else {
                return Ok(reader);
            };
            reader.last = Some((newest.number, newest.file.metadata()?.len()));
        }
        reader.place = reader.beginning()?;
        Ok(reader)
    }

    fn beginning(&self) -> io::Result<Option<Place>> {
        match (self.query.tail, self.query.since) {
            (Some(count), _) => seek::tail(&self.files, count),
            (None, Some(time)) => seek::since(&self.files, time),
            (None, None) => seek::oldest(&self.files),
        }
    }

    /// Reads one block and adds its entries to `entries`.
    pub(super) fn step(&mut self, entries: &mut VecDeque<Entry>) -> io::Result<Progress> {
        if self.place.is_none() {
            if !self.query.follow {
                return Ok(Progress::Finished);
            }
            // Nothing was written before: all that is there now is new.
            self.place = seek::oldest(&self.files)?;
        }
        let Some(place) = &mut self.place else {
            return Ok(Progress::AtEnd);
        };
        // Asked before reading: what is read to the end after the writer has left is complete.
        let left = self.files.is_left(&place.at)?;
        let room = match self.last {
            Some((number, length)) if place.at.number == number => {
                length.saturating_sub(place.offset)
            }
            Some((number, _)) if place.at.number > number => 0,
            _ => BLOCK as u64,
        };
        let start = self.rest.len();
        let wanted = usize::try_from(room).unwrap_or(BLOCK).min(BLOCK);
        self.rest.resize(start + wanted, 0);
        let read = place.at.file.read_at(&mut self.rest[start..], place.offset);
        self.rest.truncate(start + *read.as_ref().unwrap_or(&0));
        let read = read?;
        place.offset += read as u64;
        if read > 0 {
            return Ok(self.take_lines(start, entries));
        }
        if room == 0 {
            return Ok(Progress::Finished);
        }
        if place.at.file.metadata()?.len() < place.offset {
            // Somebody emptied the file in place.
            place.offset = 0;
            self.forget_rest();
            return Ok(Progress::More);
        }
        if left && let Some(at) = self.files.after(&place.at)? {
            *place = Place { at, offset: 0 };
            self.forget_rest();
            return Ok(Progress::More);
        }
        Ok(if self.query.follow {
            Progress::AtEnd
        } else {
            Progress::Finished
        })
    }

    fn forget_rest(&mut self) {
        self.rest.clear();
        self.skipping = false;
    }

    /// Parses the whole lines of `rest`, of which bytes before `scanned` hold no newline.
    fn take_lines(&mut self, scanned: usize, entries: &mut VecDeque<Entry>) -> Progress {
        let (mut start, mut from) = (0, scanned);
        while let Some(at) = self.rest[from..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| from + at)
        {
            let line = &self.rest[start..at];
            (start, from) = (at + 1, at + 1);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let Some(entry) = parse(line) else { continue };
            if self.query.until.is_some_and(|until| entry.time > until) {
                return Progress::Finished;
            }
            if self.is_wanted(&entry) {
                entries.push_back(entry);
            }
        }
        self.rest.drain(..start);
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
            self.skipping = true;
        }
        Progress::More
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let stream = match entry.stream {
            Stream::Stdout => self.query.stdout,
            Stream::Stderr => self.query.stderr,
        };
        stream && self.query.since.is_none_or(|since| entry.time >= since)
    }
}
