//! The guest's console, as the machine's host process writes it to a file: its end, and then what is added.

use std::io::{self, SeekFrom};
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::engine::sys::PathWatch;

/// How much of what was said before is shown.
const TAIL: u64 = 128 * 1024;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// A longer line is cut there: a guest that prints without line ends must not fill memory.
const MAX_LINE: usize = 4096;

/// Reads a console file on, also where it is written anew from the start.
pub struct Console<'a> {
    path: &'a Path,
    /// Where it is watched; the folder while there is no file.
    watch: PathWatch,
    file: Option<(File, u64)>,
    /// A line without its end.
    begun: Vec<u8>,
}

impl<'a> Console<'a> {
    /// The folder of `path` must exist.
    pub fn open(path: &'a Path) -> io::Result<Self> {
        Ok(Self {
            path,
            watch: watch(path)?,
            file: None,
            begun: Vec::new(),
        })
    }

    /// Waits for lines that haven't been told.
    pub async fn next(&mut self) -> io::Result<Vec<String>> {
        loop {
            let lines = self.read().await?;
            if !lines.is_empty() {
                return Ok(lines);
            }
            self.watch.changed().await?;
            if self.file.is_none() || self.replaced().await {
                self.file = None;
                self.watch = watch(self.path)?;
            }
        }
    }

    /// Whether another file has taken its place, or it was written anew.
    async fn replaced(&self) -> bool {
        let Some((file, at)) = &self.file else {
            return false;
        };
        match (file.metadata().await, tokio::fs::metadata(self.path).await) {
            (Ok(open), Ok(there)) => !same_file(&open, &there) || there.len() < *at,
            _ => true,
        }
    }

    async fn read(&mut self) -> io::Result<Vec<String>> {
        if self.file.is_none() {
            let mut file = match File::open(self.path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                opened => opened?,
            };
            let from = file.metadata().await?.len().saturating_sub(TAIL);
            file.seek(SeekFrom::Start(from)).await?;
            self.begun.clear();
            if from > 0 {
                // The rest of a line that began before.
                let mut bytes = Vec::new();
                (&mut file).take(TAIL).read_to_end(&mut bytes).await?;
                let cut = bytes
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(0, |at| at + 1);
                file.seek(SeekFrom::Start(from + cut as u64)).await?;
                self.file = Some((file, from + cut as u64));
            } else {
                self.file = Some((file, 0));
            }
        }
        let Some((file, at)) = &mut self.file else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; CHUNK];
        let read = file.read(&mut bytes).await?;
        *at += read as u64;
        Ok(lines(&mut self.begun, &bytes[..read]))
    }
}

/// The whole lines of `begun` and `bytes`; what is left of the last one stays in `begun`.
fn lines(begun: &mut Vec<u8>, bytes: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    for byte in bytes {
        if *byte != b'\n' {
            begun.push(*byte);
            if begun.len() < MAX_LINE {
                continue;
            }
        }
        let line = String::from_utf8_lossy(begun);
        told.push(line.trim_end_matches('\r').to_owned());
        begun.clear();
    }
    told
}

fn watch(path: &Path) -> io::Result<PathWatch> {
    match PathWatch::new(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            PathWatch::new(path.parent().unwrap_or(Path::new(".")))
        }
        watch => watch,
    }
}

#[cfg(unix)]
fn same_file(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Windows replaces no file that is open.
#[cfg(not(unix))]
fn same_file(_one: &std::fs::Metadata, _other: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    async fn next(console: &mut Console<'_>) -> Vec<String> {
        tokio::time::timeout(Duration::from_secs(60), console.next())
            .await
            .expect("in time")
            .expect("readable")
    }

    #[tokio::test]
    async fn a_console_is_read_on_through_its_file_s_life() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("console.log");
        let mut console = Console::open(&path).expect("watched");
        assert!(futures::poll!(Box::pin(console.next())).is_pending());
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(b"one\r\ntwo\nthr").expect("written");
        assert_eq!(next(&mut console).await, ["one", "two"]);
        file.write_all(b"ee\n").expect("written");
        assert_eq!(next(&mut console).await, ["three"]);
        // Another start writes it anew.
        std::fs::write(&path, "again\n").expect("written");
        assert_eq!(next(&mut console).await, ["again"]);
        let other = folder.path().join("other");
        std::fs::write(&other, "replaced, and longer than it was\n").expect("written");
        std::fs::rename(&other, &path).expect("renamed");
        assert_eq!(
            next(&mut console).await,
            ["replaced, and longer than it was"]
        );
    }

    #[tokio::test]
    async fn of_a_long_console_the_end_is_told_in_whole_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("console.log");
        let mut file = std::fs::File::create(&path).expect("a file");
        for at in 0..20_000 {
            writeln!(file, "line {at}").expect("written");
        }
        let mut console = Console::open(&path).expect("watched");
        let mut told = Vec::new();
        while told.last().is_none_or(|line| line != "line 19999") {
            told.extend(next(&mut console).await);
        }
        assert!(told.len() < 20_000);
        let first: usize = told[0]["line ".len()..].parse().expect("a whole line");
        assert_eq!(first + told.len(), 20_000);
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let mut begun = Vec::new();
        let told = lines(&mut begun, &vec![b'x'; 3 * MAX_LINE + 1]);
        assert_eq!(told.len(), 3);
        assert_eq!(begun.len(), 1);
    }
}
