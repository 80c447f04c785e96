//! WSL2: the machine as a distribution. Never run: command lines and the reading of their answers only.
//! `docs/machine.md` says what is missing before a machine can run by it.
//!
//! WSL brings its own kernel, the same for all distributions, and its limits of memory and processors are those of all
//! together (`.wslconfig`): a machine can't have its own.

use std::ffi::OsString;
use std::path::Path;

use crate::name::MachineName;
use crate::paths::Paths;

/// The program.
pub const PROGRAM: &str = "wsl.exe";

/// What WSL says that a distribution is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WslState {
    /// It runs.
    Running,
    /// It doesn't.
    Stopped,
    /// It is being installed, converted or removed.
    Busy,
}

/// What WSL calls the machine.
pub fn distribution(name: &MachineName) -> String {
    format!("gantry-{name}")
}

/// Makes the distribution from a root file system as a tar archive; its disk goes into the machine's folder.
pub fn import(name: &MachineName, paths: &Paths, root: &Path) -> Vec<OsString> {
    vec![
        "--import".into(),
        distribution(name).into(),
        paths.data().join("wsl").into(),
        root.into(),
        "--version".into(),
        "2".into(),
    ]
}

/// Starts the agent with the tunnel on its standard streams. The distribution runs as long as it does.
pub fn tunnel(name: &MachineName) -> Vec<OsString> {
    [
        "--distribution",
        &distribution(name),
        "--user",
        "root",
        "--cd",
        "/",
        "--exec",
        "/usr/sbin/gantry-guest",
        "wsl",
    ]
    .map(OsString::from)
    .into()
}

/// Ends it at once.
pub fn terminate(name: &MachineName) -> Vec<OsString> {
    vec!["--terminate".into(), distribution(name).into()]
}

/// Removes it with its disk.
pub fn unregister(name: &MachineName) -> Vec<OsString> {
    vec!["--unregister".into(), distribution(name).into()]
}

/// Asks for all distributions and what they do.
pub fn list() -> Vec<OsString> {
    vec!["--list".into(), "--verbose".into()]
}

/// What WSL says: UTF-16 in little-endian order, unless `WSL_UTF8` is set.
pub fn text(bytes: &[u8]) -> String {
    let wide =
        bytes.len().is_multiple_of(2) && bytes.iter().skip(1).step_by(2).any(|byte| *byte == 0);
    if !wide {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
        .trim_start_matches('\u{feff}')
        .to_owned()
}

/// The state of machine `name` in an answer to [`list`]; none where it isn't there. The words for states come in the
/// language of Windows for some versions: what isn't known as standing still is taken for running.
pub fn read_list(answer: &str, name: &MachineName) -> Option<WslState> {
    let wanted = distribution(name);
    answer.lines().find_map(|line| {
        let line = line.trim_start().trim_start_matches('*');
        let mut words = line.split_whitespace();
        if words.next()? != wanted {
            return None;
        }
        Some(match words.next()? {
            "Stopped" => WslState::Stopped,
            "Installing" | "Converting" | "Uninstalling" => WslState::Busy,
            _ => WslState::Running,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture::{machine, shown};

    #[test]
    fn command_lines() {
        let (spec, paths, _) = machine();
        let name = &spec.name;
        let all = [
            import(name, &paths, Path::new("/image/root.tar")),
            tunnel(name),
            terminate(name),
            unregister(name),
            list(),
        ];
        let all: Vec<String> = all.iter().map(|words| shown(words)).collect();
        insta::assert_snapshot!(all.join("\n----\n").replace('\\', "/"));
    }

    #[test]
    fn lists_are_read_in_either_encoding() {
        let said = "  NAME              STATE           VERSION\r\n* Ubuntu            Running         2\r\n  gantry-default    Stopped         2\r\n  gantry-b          Running         2\r\n";
        let wide: Vec<u8> = "\u{feff}"
            .chars()
            .chain(said.chars())
            .flat_map(|c| (c as u16).to_le_bytes())
            .collect();
        assert_eq!(text(&wide), said);
        assert_eq!(text(said.as_bytes()), said);
        let state = |name: &str| read_list(said, &name.parse().unwrap());
        assert_eq!(state("default"), Some(WslState::Stopped));
        assert_eq!(state("b"), Some(WslState::Running));
        assert_eq!(state("c"), None);
        assert_eq!(read_list("", &MachineName::default()), None);
    }
}
