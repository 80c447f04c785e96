//! Options of a tmpfs.

use crate::error::{Error, Result};

/// Options of a tmpfs taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Bytes.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// All others.
    pub rest: Vec<String>,
}

/// Reads `size=64m,mode=1777,noexec`.
pub fn tmpfs_options(path: &str, text: &str) -> Result<TmpfsOptions> {
    let invalid = |option: &str| {
        Error::invalid(format!(
            "invalid tmpfs option {:?} for {}",
            option,
            path.escape_debug()
        ))
    };
    let mut options = TmpfsOptions::default();
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if !value.ends_with('%') => {
                options.size = Some(size(value).ok_or_else(|| invalid(option))?)
            }
            Some(("mode", value)) => {
                let mode = u32::from_str_radix(value, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                options.mode = Some(mode.ok_or_else(|| invalid(option))?);
            }
            _ => options.rest.push(option.to_owned()),
        }
    }
    Ok(options)
}

/// `64m`, `1g`, `1024`, in bytes.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
