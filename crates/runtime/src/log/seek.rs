//! Where to begin reading, found without reading what isn't wanted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use time::OffsetDateTime;

use super::files::{Files, Numbered};
use super::line::{LONGEST_LINE, parse};

const BLOCK: usize = 64 * 1024;

/// A place in a log.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) at: Numbered,
    pub(super) offset: u64,
}

/// The start of the oldest file.
pub(super) fn oldest(files: &Files) -> io::Result<Option<Place>> {
    let Some(mut at) = files.newest()? else {
        return Ok(None);
    };
    while let Some(older) = files.before(at.number)? {
        at = older;
    }
    Ok(Some(Place { at, offset: 0 }))
}

/// The start of the last `count` entries.
pub(super) fn tail(files: &Files, count: usize) -> io::Result<Option<Place>> {
    let Some(mut at) = files.newest()? else {
        return Ok(None);
    };
    let mut wanted = count;
    loop {
        match last_lines(&at.file, wanted)? {
            LastLines::StartAt(offset) => return Ok(Some(Place { at, offset })),
            LastLines::Only(found) => wanted -= found,
        }
        match files.before(at.number)? {
            Some(older) => at = older,
            None => return Ok(Some(Place { at, offset: 0 })),
        }
    }
}

/// Close before the first entry of this time or later. Entries are in the order of time, except where the machine's
/// clock was set back: near such a place the search may begin too late.
pub(super) fn since(files: &Files, time: OffsetDateTime) -> io::Result<Option<Place>> {
    let Some(mut at) = files.newest()? else {
        return Ok(None);
    };
    loop {
        let length = at.file.metadata()?.len();
        let begins_before = next_entry(&at.file, 0, length)?.is_some_and(|(first, _)| first < time);
        if begins_before {
            let offset = search(&at.file, length, time)?;
            return Ok(Some(Place { at, offset }));
        }
        match files.before(at.number)? {
            Some(older) => at = older,
            None => return Ok(Some(Place { at, offset: 0 })),
        }
    }
}

enum LastLines {
    /// The wanted lines begin here.
    StartAt(u64),
    /// The file has only so many.
    Only(usize),
}

/// Counts newlines backwards from the end. What follows the last newline is no line yet.
fn last_lines(file: &File, wanted: usize) -> io::Result<LastLines> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    // The newline that ends the last line begins no further one.
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let length = usize::try_from(end - start).unwrap_or(BLOCK);
        file.read_exact_at(&mut block[..length], start)?;
        for (at, _) in block[..length]
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
        {
            if newlines == wanted {
                return Ok(LastLines::StartAt(start + at as u64 + 1));
            }
            newlines += 1;
        }
        end = start;
    }
    // A file that begins with a wanted line has no newline before it.
    if newlines == wanted && newlines > 0 {
        return Ok(LastLines::StartAt(0));
    }
    Ok(LastLines::Only(newlines))
}

/// Halves the range until one block is left, which the reader then filters.
fn search(file: &File, length: u64, time: OffsetDateTime) -> io::Result<u64> {
    let (mut low, mut high) = (0, length);
    while high - low > BLOCK as u64 {
        let middle = low + (high - low) / 2;
        let line = match start_of_line(file, middle, high)? {
            Some(start) => next_entry(file, start, high)?,
            None => None,
        };
        match line {
            Some((found, end)) if found < time => low = end,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first start of a line at `from` or later, before `end`.
fn start_of_line(file: &File, from: u64, end: u64) -> io::Result<Option<u64>> {
    if from == 0 {
        return Ok(Some(0));
    }
    let mut offset = from - 1;
    let mut block = vec![0; 4096];
    while offset < end {
        let length = file.read_at(&mut block, offset)?;
        if length == 0 {
            break;
        }
        if let Some(at) = block[..length].iter().position(|byte| *byte == b'\n') {
            return Ok(Some(offset + at as u64 + 1).filter(|start| *start < end));
        }
        offset += length as u64;
    }
    Ok(None)
}

/// Time of the first entry that begins between `from` (the start of a line) and `end`, and where its line ends.
fn next_entry(file: &File, from: u64, end: u64) -> io::Result<Option<(OffsetDateTime, u64)>> {
    let mut start = from;
    let mut block = vec![0; LONGEST_LINE];
    while start < end {
        let mut length = 0;
        // Most lines are short: not the longest possible one each time.
        let newline = loop {
            let upto = if length == 0 { 4096 } else { LONGEST_LINE };
            let read = file.read_at(&mut block[length..upto], start + length as u64)?;
            let newline = block[length..length + read]
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| length + at);
            length += read;
            if newline.is_some() || read == 0 || length == LONGEST_LINE {
                break newline;
            }
        };
        let Some(newline) = newline else {
            if length < LONGEST_LINE {
                return Ok(None);
            }
            match start_of_line(file, start + length as u64, end)? {
                Some(next) => start = next,
                None => return Ok(None),
            }
            continue;
        };
        let line_end = start + newline as u64 + 1;
        if let Some(entry) = parse(&block[..newline]) {
            return Ok(Some((entry.time, line_end)));
        }
        start = line_end;
    }
    Ok(None)
}
