//! The keys that leave a container without ending it: `ctrl-p,ctrl-q` unless the person has others.

use crate::error::{CliError, Result};

/// A sequence of keys, and how much of it has been typed.
#[derive(Debug, Clone)]
pub struct DetachKeys {
    keys: Vec<u8>,
    typed: usize,
}

/// What typed bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the container. May be empty while a sequence has begun.
    Bytes(Vec<u8>),
    /// The sequence is complete: leave, after passing these bytes on.
    Detach(Vec<u8>),
}

impl Default for DetachKeys {
    fn default() -> DetachKeys {
        DetachKeys {
            keys: vec![16, 17],
            typed: 0,
        }
    }
}

impl std::str::FromStr for DetachKeys {
    type Err = CliError;

    /// Keys parted by commas: a character, or `ctrl-` with a letter or one of `@ [ \ ] ^ _`.
    fn from_str(text: &str) -> Result<DetachKeys> {
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        match keys {
            Some(keys) => Ok(DetachKeys { keys, typed: 0 }),
            None => Err(CliError::invalid(format!(
                "invalid detach keys ({text}): write keys parted by commas, as ctrl-p,ctrl-q or a,ctrl-d"
            ))),
        }
    }
}

fn key(text: &str) -> Option<u8> {
    if let [byte] = text.as_bytes() {
        return byte.is_ascii().then_some(*byte);
    }
    match text.to_ascii_lowercase().strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [sign @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] => Some(sign - b'@'),
        _ => None,
    }
}

impl DetachKeys {
    /// Sorts what was typed. A sequence that breaks off goes to the container after all.
    pub fn typed(&mut self, bytes: &[u8]) -> Typed {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.keys.get(self.typed) == Some(byte) {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return Typed::Detach(out);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.typed]);
            self.typed = 0;
            if self.keys.first() == Some(byte) {
                self.typed = 1;
                continue;
            }
            out.push(*byte);
        }
        Typed::Bytes(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_leaves_and_all_else_passes() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.typed(b"ab"), Typed::Bytes(b"ab".to_vec()));
        assert_eq!(keys.typed(&[16]), Typed::Bytes(Vec::new()));
        assert_eq!(keys.typed(b"x"), Typed::Bytes(vec![16, b'x']));
        assert_eq!(keys.typed(&[16, 16, 17, b'z']), Typed::Detach(vec![16]));
        assert_eq!(keys.typed(&[b'a', 16]), Typed::Bytes(b"a".to_vec()));
        assert_eq!(keys.typed(&[17]), Typed::Detach(Vec::new()));
    }

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        let keys = |text: &str| text.parse::<DetachKeys>().map(|keys| keys.keys);
        assert_eq!(keys("ctrl-p,ctrl-q").unwrap(), [16, 17]);
        assert_eq!(keys("a,ctrl-@,ctrl-_").unwrap(), [b'a', 0, 31]);
        assert!(keys("ctrl-").is_err() && keys("").is_err() && keys("ab").is_err());
    }
}
