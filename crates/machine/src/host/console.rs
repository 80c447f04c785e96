//! The guest's console on disk: begun anew at each start, bounded, and its end for errors.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines shown with an error.
const LINES: usize = 20;
const MAX_LINE: usize = 400;
const TAIL: u64 = 16 * 1024;
/// A guest that writes more than this while it runs loses the beginning.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Puts the last run's console aside.
pub fn rotate(path: &Path) -> io::Result<()> {
    match fs::rename(path, path.with_extension("log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Empties a console that has grown too large. Whoever writes it does so at its end, wherever that is.
pub fn bound(path: &Path) -> io::Result<()> {
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() > MAX_BYTES {
        file.set_len(0)?;
        tracing::warn!("the guest's console had more than {MAX_BYTES} bytes and was emptied");
    }
    Ok(())
}

/// The last lines, fit to show. Empty where there are none.
pub fn tail(path: &Path) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(plain)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].to_vec()
}

/// Without control characters and the sequences that firmware moves its cursor by.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                chars.next();
            } else {
                chars.next();
            }
        } else if !c.is_control() {
            out.push(c);
        }
        if out.len() >= MAX_LINE {
            break;
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_without_what_moves_a_cursor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        assert!(tail(&path).is_empty());
        let many: String = (0..3000).map(|n| format!("line {n}\r\n")).collect();
        fs::write(
            &path,
            format!("{many}\u{1b}[2J\u{1b}[01;01Hpanic\u{7}\u{1b}c!\r\n\r\n"),
        )
        .unwrap();
        let lines = tail(&path);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[LINES - 1], "panic!");
        assert_eq!(lines[LINES - 2], "line 2999");
        rotate(&path).unwrap();
        assert!(tail(&path).is_empty());
        rotate(&path).unwrap();
    }

    #[test]
    fn a_console_that_floods_the_disk_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        bound(&path).unwrap();
        fs::write(&path, "x").unwrap();
        bound(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 1);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        bound(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }
}
