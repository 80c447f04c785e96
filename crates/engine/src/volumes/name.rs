//! The name of a volume.

use std::fmt;
use std::str::FromStr;

use super::VolumeError;

/// A name in Docker's grammar, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`: so it is one folder's name, and none of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(Box<str>);

impl VolumeName {
    /// The longest name, in bytes: `.removed-…-<name>` must fit a file name of 255.
    pub const LONGEST: usize = 220;

    /// A random name for an anonymous volume: 64 hexadecimal digits.
    pub fn random() -> VolumeName {
        let bytes: [u8; 32] = rand::random();
        VolumeName(hex::encode(bytes).into_boxed_str())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeName {
    type Err = VolumeError;

    fn from_str(text: &str) -> Result<VolumeName, VolumeError> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let bytes = text.as_bytes();
        if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) || !bytes.iter().all(|b| inner(*b))
        {
            return Err(VolumeError::Name(text.chars().take(300).collect()));
        }
        match text.len() {
            1 => Err(VolumeError::ShortName(text.to_owned())),
            length if length > VolumeName::LONGEST => Err(VolumeError::LongName(text.to_owned())),
            _ => Ok(VolumeName(text.into())),
        }
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_folders_name_is_a_name() {
        for good in ["ab", "A_b.c-1", &"a".repeat(VolumeName::LONGEST)] {
            assert_eq!(good.parse::<VolumeName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a",
            ".a",
            "-a",
            "_a",
            "a/b",
            "..",
            "a b",
            "ä1",
            "a\0",
            &"a".repeat(221),
        ] {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad:?}");
        }
    }
}
