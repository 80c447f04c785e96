//! `machine logs`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::store::Store;

use crate::error::{CliError, Result};
use crate::output;
use crate::terminal;

/// What is read at once.
const CHUNK: u64 = 64 * 1024;
/// Files are looked at this often: what grows may be any file system's.
const LOOK: Duration = Duration::from_millis(250);

/// Show what a machine's console and its programs say
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Only what the guest's console says
    #[arg(long)]
    console: bool,
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
}

impl Logs {
    /// Runs the verb.
    pub async fn run(self, store: &Store) -> Result<()> {
        let machine = super::named(store, self.name)?;
        let paths = &machine.paths;
        let mut logs = vec![Log::new("console", paths.console())];
        if !self.console {
            logs.insert(0, Log::new("host", paths.host_log()));
            logs.insert(1, Log::new("vm", paths.vm_log()));
        }
        let prefixed = logs.len() > 1;
        let ended = terminal::ended();
        tokio::pin!(ended);
        let mut looks = tokio::time::interval(LOOK);
        loop {
            for log in &mut logs {
                log.show(prefixed, !self.follow)?;
            }
            if !self.follow {
                return Ok(());
            }
            tokio::select! {
                _ = looks.tick() => {}
                code = &mut ended => return Err(CliError::Exit(code)),
            }
        }
    }
}

/// One log file, and how much of it has been shown.
struct Log {
    name: &'static str,
    path: PathBuf,
    at: u64,
    /// A line whose end has not come yet.
    rest: Vec<u8>,
}

impl Log {
    fn new(name: &'static str, path: PathBuf) -> Log {
        Log {
            name,
            path,
            at: 0,
            rest: Vec::new(),
        }
    }

    /// Shows what is new; `all`: also a line without an end.
    fn show(&mut self, prefixed: bool, all: bool) -> Result<()> {
        loop {
            let new = read(&self.path, &mut self.at)?;
            if new.is_empty() {
                break;
            }
            self.rest.extend(new);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.line(&line, prefixed)?;
            }
            if self.rest.len() as u64 > CHUNK {
                let line = std::mem::take(&mut self.rest);
                self.line(&line, prefixed)?;
            }
        }
        if all && !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            self.line(&line, prefixed)?;
        }
        Ok(())
    }

    fn line(&self, line: &[u8], prefixed: bool) -> Result<()> {
        let text = String::from_utf8_lossy(line);
        let text = output::printable(text.trim_end_matches(['\r', '\n']));
        if prefixed {
            output::line(format_args!("{:<7} | {text}", self.name))
        } else {
            output::line(text)
        }
    }
}

/// What `path` has beyond `at`; a file that has become shorter is read from its beginning. None is empty.
fn read(path: &Path, at: &mut u64) -> Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::file("open", path)(error)),
    };
    let mut read = || {
        if file.metadata()?.len() < *at {
            *at = 0;
        }
        file.seek(SeekFrom::Start(*at))?;
        let mut bytes = Vec::new();
        (&mut file).take(CHUNK).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = read().map_err(CliError::file("read", path))?;
    *at += bytes.len() as u64;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_read_once_and_a_log_begun_anew_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut at = 0;
        assert!(read(&path, &mut at).unwrap().is_empty());
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!(read(&path, &mut at).unwrap(), b"one\n");
        assert!(read(&path, &mut at).unwrap().is_empty());
        std::fs::write(&path, "2\n").unwrap();
        assert_eq!(read(&path, &mut at).unwrap(), b"2\n");
    }
}
