//! The machine's console: the only place where init speaks. The host keeps it in a file and shows its end when a start
//! fails.

use std::io::Write as _;

use super::error::InitError;

/// Says what a stage does or did, on a line of its own.
pub fn say(stage: &str, text: impl std::fmt::Display) {
    // One write, so that lines of threads don't mix; a console that can't be written to has nobody to be told.
    let _ = std::io::stderr().write_all(format!("gantry: {stage} {text}\n").as_bytes());
}

/// Says what failed and what to try.
pub fn fail(stage: &str, error: &InitError) {
    say(stage, format_args!("failed: {error}"));
    say(stage, format_args!("try: {}", error.hint()));
}
