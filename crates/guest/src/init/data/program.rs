//! The programs of e2fsprogs that init runs.

use std::path::Path;
use std::process::{Command, Stdio};

use super::superblock::LABEL;
use crate::init::console::say;
use crate::init::error::InitError;

/// Of a failed program's output, that much is told.
const LAST_WORDS: usize = 400;

/// Makes an ext4 file system in a file that holds nothing but zeros.
pub fn make(file: &Path) -> Result<(), InitError> {
    // An empty disk is zeros already: none are written, and a sparse one stays small.
    let prezeroed = "lazy_itable_init=0,lazy_journal_init=1,assume_storage_prezeroed=1,nodiscard";
    let arguments = [
        "-q", "-F", "-t", "ext4", "-L", LABEL, "-m", "0", "-J", "size=64", "-E", prezeroed,
    ];
    match run("mke2fs", &arguments, file)? {
        (Some(0), _) => Ok(()),
        (code, words) => Err(failed("mke2fs", file, code, &words)),
    }
}

/// Repairs what can be repaired without asking.
pub fn check(disk: &Path) -> Result<(), InitError> {
    // 1 and 2: errors were found, and are no more.
    match run("e2fsck", &["-p"], disk)? {
        (Some(0), _) => Ok(()),
        (Some(1 | 2), words) => {
            say("data", format_args!("repaired: {words}"));
            Ok(())
        }
        (code, words) => Err(failed("e2fsck", disk, code, &words)),
    }
}

/// Lets a mounted file system fill its disk.
pub fn grow(disk: &Path) -> Result<(), InitError> {
    match run("resize2fs", &[], disk)? {
        (Some(0), _) => Ok(()),
        (code, words) => Err(failed("resize2fs", disk, code, &words)),
    }
}

fn run(
    program: &'static str,
    arguments: &[&str],
    disk: &Path,
) -> Result<(Option<i32>, String), InitError> {
    let output = Command::new(Path::new("/usr/sbin").join(program))
        .args(arguments)
        .arg(disk)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| InitError::Program {
            program,
            disk: disk.to_owned(),
            outcome: format!("can't be run: {error}"),
        })?;
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    let words: Vec<&str> = words.split_whitespace().collect();
    Ok((
        output.status.code(),
        last(&words.join(" "), LAST_WORDS).to_owned(),
    ))
}

fn failed(program: &'static str, disk: &Path, code: Option<i32>, words: &str) -> InitError {
    let how = code.map_or("was killed".to_owned(), |code| format!("ended with {code}"));
    InitError::Program {
        program,
        disk: disk.to_owned(),
        outcome: format!("{how}: {words}"),
    }
}

/// The end of a text, at most `bytes` long.
fn last(text: &str, bytes: usize) -> &str {
    let start = text.len().saturating_sub(bytes);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at));
    start.map_or("", |start| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::last;

    #[test]
    fn last_words_end_a_text() {
        assert_eq!(last("abc", 2), "bc");
        assert_eq!(last("abc", 9), "abc");
        // Not in the middle of a letter.
        assert_eq!(last("aéb", 2), "b");
        assert_eq!(last("", 2), "");
    }
}
