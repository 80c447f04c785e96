//! `KEY=VALUE` in flags and files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};

/// A larger file of variables or labels isn't one.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A map of `key=value` texts; a key alone has an empty value.
pub fn map(pairs: &[String]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (pair.clone(), String::new()),
        })
        .collect()
}

/// The labels of flags and files; flags win.
pub fn labels(flags: &[String], files: &[PathBuf]) -> Result<HashMap<String, String>> {
    let mut all = HashMap::new();
    for file in files {
        all.extend(map(&lines(file)?));
    }
    if let Some(empty) = flags
        .iter()
        .find(|label| label.is_empty() || label.starts_with('='))
    {
        return Err(CliError::invalid(format!(
            "invalid label {empty:?}: empty name"
        )));
    }
    all.extend(map(flags));
    Ok(all)
}

/// The variables of files and flags, in this order. A name alone stands for this process's variable. Where there is
/// none, it is left out of a file; of a flag the engine is told, which takes the image's variable of this name away.
pub fn environment(flags: &[String], files: &[PathBuf]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(file)? {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() {
                return Err(in_file(file, format!("no variable name on line '{line}'")));
            }
            if name.contains(char::is_whitespace) {
                return Err(in_file(
                    file,
                    format!("variable '{name}' contains whitespaces"),
                ));
            }
            all.extend(with_value(line));
        }
    }
    for flag in flags {
        if flag.is_empty() || flag.starts_with('=') {
            return Err(CliError::invalid(format!(
                "invalid environment variable: {flag}"
            )));
        }
        all.push(with_value(flag.clone()).unwrap_or_else(|| flag.clone()));
    }
    Ok(all)
}

fn with_value(variable: String) -> Option<String> {
    if variable.contains('=') {
        return Some(variable);
    }
    let value = std::env::var_os(&variable)?;
    Some(format!("{variable}={}", value.to_string_lossy()))
}

fn in_file(file: &Path, what: String) -> CliError {
    CliError::invalid(format!(
        "poorly formatted environment: {}: {what}",
        file.display()
    ))
}

/// The lines of `file` that aren't empty and no comments.
fn lines(file: &Path) -> Result<Vec<String>> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(CliError::file("read", file))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// The fields of a comma-parted flag (`--mount`, `--network`), where a field may be quoted as in CSV.
pub fn csv(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted => {
                if chars.next_if_eq(&'"').is_some() {
                    field.push('"');
                } else {
                    quoted = false;
                }
            }
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err(format!("{text:?}: a quote is not closed"));
    }
    fields.push(field);
    Ok(fields)
}

/// `true`, `1`, `false` and `0`, as docker takes them.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Some(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
