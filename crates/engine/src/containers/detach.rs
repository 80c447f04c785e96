//! The keys by which a person leaves an attached container to itself: `ctrl-p,ctrl-q` unless said otherwise.

use crate::error::{Error, Result};

/// A sequence of keys, and how much of it was just typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    typed: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q` or `a,b`; empty is the usual pair.
    pub fn parse(text: &str) -> Result<DetachKeys> {
        let text = if text.is_empty() {
            "ctrl-p,ctrl-q"
        } else {
            text
        };
        let invalid = || {
            Error::invalid(format!(
                "Invalid detach keys ({}) provided",
                text.chars().take(80).collect::<String>().escape_debug()
            ))
        };
        let mut keys = Vec::new();
        for key in text.split(',') {
            keys.push(match (key.strip_prefix("ctrl-"), key.as_bytes()) {
                (None, [only]) => *only,
                (Some(control), _) => match control.as_bytes() {
                    [letter @ b'a'..=b'z'] => letter - b'a' + 1,
                    b"@" => 0,
                    b"[" => 27,
                    b"\\" => 28,
                    b"]" => 29,
                    b"^" => 30,
                    b"_" => 31,
                    _ => return Err(invalid()),
                },
                _ => return Err(invalid()),
            });
        }
        if keys.len() > 16 {
            return Err(invalid());
        }
        Ok(DetachKeys { keys, typed: 0 })
    }

    /// What of `input` goes to the container, and whether the keys were all typed. A beginning of the sequence is held
    /// back until it is clear that it isn't one.
    pub fn filter(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(input.len());
        for &byte in input {
            if self.keys.get(self.typed) == Some(&byte) {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.typed]);
            self.typed = 0;
            if self.keys.first() == Some(&byte) && self.keys.len() > 1 {
                self.typed = 1;
            } else {
                out.push(byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_held_back_until_it_is_none() {
        let mut keys = DetachKeys::parse("").unwrap();
        assert_eq!(keys.filter(b"ls\n"), (b"ls\n".to_vec(), false));
        assert_eq!(keys.filter(&[16]), (vec![], false));
        assert_eq!(keys.filter(b"x"), (vec![16, b'x'], false));
        assert_eq!(keys.filter(&[16, 16]), (vec![16], false));
        assert_eq!(keys.filter(&[17, b'x']), (vec![], true));
    }

    #[test]
    fn keys_outside_the_grammar_are_refused() {
        for text in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-ab", ","] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
        assert!(DetachKeys::parse("ctrl-@,a").is_ok());
    }
}
