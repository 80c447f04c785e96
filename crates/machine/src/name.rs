//! A machine's name: part of paths, of a context's name, of a pipe's and of a distribution's, so it is kept plain.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The machine that is meant when nobody names one.
pub const DEFAULT: &str = "default";

/// A longer name would not leave room in the path of a socket.
const MAX_LENGTH: usize = 32;

/// Windows gives these no file of their own.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// The name of a machine: 1 to 32 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MachineName(String);

/// A name that no machine can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid machine name {name:?}: use 1 to {MAX_LENGTH} of a-z, 0-9 and -, beginning and ending with a letter or digit"
)]
pub struct NameError {
    /// What was given.
    pub name: String,
}

impl MachineName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the context that leads to this machine's engine.
    pub fn context(&self) -> String {
        format!("gantry-{}", self.0)
    }
}

impl Default for MachineName {
    fn default() -> MachineName {
        MachineName(DEFAULT.to_owned())
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MachineName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<MachineName, NameError> {
        let plain = name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let edges = !name.starts_with('-') && !name.ends_with('-');
        let device = DEVICES.contains(&name)
            || name
                .strip_prefix("com")
                .or_else(|| name.strip_prefix("lpt"))
                .is_some_and(|rest| rest.len() == 1);
        if plain && edges && !device && (1..=MAX_LENGTH).contains(&name.len()) {
            Ok(MachineName(name.to_owned()))
        } else {
            Err(NameError {
                name: name.chars().take(2 * MAX_LENGTH).collect(),
            })
        }
    }
}

impl TryFrom<String> for MachineName {
    type Error = NameError;

    fn try_from(name: String) -> Result<MachineName, NameError> {
        name.parse()
    }
}

impl From<MachineName> for String {
    fn from(name: MachineName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_folder() {
        for good in ["default", "a", "7", "big-one", "x".repeat(32).as_str()] {
            assert!(good.parse::<MachineName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "A",
            "-a",
            "a-",
            "a b",
            "a\0",
            "nul",
            "com1",
            "ä",
            "a.b",
            &"x".repeat(33),
        ] {
            assert!(bad.parse::<MachineName>().is_err(), "{bad}");
            assert!(serde_json::from_value::<MachineName>(bad.into()).is_err());
        }
    }
}
