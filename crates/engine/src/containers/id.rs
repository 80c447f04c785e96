//! The id of a container: 64 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

/// A full container id. A prefix given by a user is a query, not an id: see `Containers::find`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(Box<str>);

/// Text that is no container id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a container id has 64 lowercase hexadecimal digits")]
pub struct InvalidContainerId;

impl ContainerId {
    /// A new random id. As Docker's, its first 12 digits are never all decimal: people use them as a hostname, and a
    /// name of digits only is taken for a number in places.
    pub fn random() -> ContainerId {
        loop {
            let mut bytes = [0_u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            let text = hex::encode(bytes);
            if text[..12].bytes().any(|digit| digit.is_ascii_alphabetic()) {
                return ContainerId(text.into_boxed_str());
            }
        }
    }

    /// The lowest id that begins with `prefix`; `None` when no id does.
    pub fn lowest_with(prefix: &str) -> Option<ContainerId> {
        format!("{prefix:0<64}").parse().ok()
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 12 digits that people see.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ContainerId {
    type Err = InvalidContainerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid =
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(ContainerId(text.into()))
        } else {
            Err(InvalidContainerId)
        }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = InvalidContainerId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> String {
        id.0.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_lowercase_hex_is_an_id() {
        let id = ContainerId::random();
        assert_eq!(id.as_str().parse::<ContainerId>(), Ok(id.clone()));
        for text in [
            "",
            "abc",
            &"g".repeat(64),
            &"A".repeat(64),
            &"a".repeat(65),
            &"é".repeat(32),
        ] {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
    }
}
