//! The files of one log, by number.
//!
//! A rotated file's number is in its name; the one being written will get the next free number.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file being written.
pub(super) const CURRENT: &str = "json.log";

/// The folder of one container's log.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

/// One file of the log, held open: it stays readable after it was rotated away.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) file: File,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn current(&self) -> PathBuf {
        self.folder.join(CURRENT)
    }

    pub(super) fn rotated(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{CURRENT}.{number}"))
    }

    /// Numbers of the rotated files, oldest first. A folder that isn't there has none.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix(CURRENT)?.strip_prefix('.')?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Opens the file that has this number, or will have it once it is rotated. `None` where there is none (yet).
    pub(super) fn open(&self, number: u64) -> io::Result<Option<Numbered>> {
        if let Some(file) = open_file(&self.rotated(number))? {
            return Ok(Some(Numbered { number, file }));
        }
        let current = open_file(&self.current())?;
        // It may have been rotated between the two: then it was that file that now has the name, or an older handle
        // of the same; the name decides.
        if let Some(file) = open_file(&self.rotated(number))? {
            return Ok(Some(Numbered { number, file }));
        }
        Ok(current.map(|file| Numbered { number, file }))
    }

    /// The newest file: the one being written or, where a crash left none, the last rotated.
    pub(super) fn newest(&self) -> io::Result<Option<Numbered>> {
        let last = self.numbers()?.last().copied();
        match self.open(last.map_or(1, |number| number + 1))? {
            Some(newest) => Ok(Some(newest)),
            None => last.map_or(Ok(None), |number| self.open(number)),
        }
    }

    /// The newest file older than `number`.
    pub(super) fn before(&self, number: u64) -> io::Result<Option<Numbered>> {
        for older in self
            .numbers()?
            .into_iter()
            .rev()
            .filter(|older| *older < number)
        {
            // One that was deleted meanwhile is as good as never there.
            if let Some(file) = open_file(&self.rotated(older))? {
                return Ok(Some(Numbered {
                    number: older,
                    file,
                }));
            }
        }
        Ok(None)
    }

    /// Whether the writer has left this file: nothing will be added to it.
    pub(super) fn is_left(&self, at: &Numbered) -> io::Result<bool> {
        let here = at.file.metadata()?;
        match fs::metadata(self.current()) {
            Ok(current) => Ok((current.dev(), current.ino()) != (here.dev(), here.ino())),
            // Between a rotation's two steps, or a container that has been removed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The file after `at`, which the writer has left.
    pub(super) fn after(&self, at: &Numbered) -> io::Result<Option<Numbered>> {
        let here = at.file.metadata()?;
        let mut number = at.number;
        loop {
            let newer = self.numbers()?.into_iter().find(|newer| *newer > number);
            let Some(next) = self.open(newer.unwrap_or(number + 1))? else {
                return Ok(None);
            };
            let there = next.file.metadata()?;
            if (there.dev(), there.ino()) != (here.dev(), here.ino()) {
                return Ok(Some(next));
            }
            // Somebody removed older files by hand, so that this one's number was guessed too low.
            if newer.is_none() {
                return Ok(None);
            }
            number = next.number;
        }
    }
}

fn open_file(path: &Path) -> io::Result<Option<File>> {
    // Never waits, whatever lies there.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    match File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
    {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
