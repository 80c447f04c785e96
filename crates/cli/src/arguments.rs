//! The command line as docker's users write it, where that isn't how `clap` reads it by itself.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, CommandFactory, Error, FromArgMatches};

use crate::cli::Cli;

/// Docker's exit code for options that it doesn't know.
const UNKNOWN_OPTION: u8 = 125;

/// Parses the command line; the error is the exit code, after help, version or the complaint has been printed.
pub fn parse(mut arguments: Vec<OsString>) -> Result<Cli, u8> {
    // `gantry help run` is `gantry run --help`.
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    let mut result = attempt(&arguments);
    // `-h` is help where it is nothing else.
    if matches!(&result, Err(error) if unknown(error) == Some("-h"))
        && let Some(letter) = arguments.iter_mut().find(|word| *word == "-h")
    {
        *letter = "--help".into();
        result = attempt(&arguments);
    }
    result.map_err(|error| {
        // A closed standard output or error has no reader to disappoint.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => 0,
            // A word too many is no option.
            ErrorKind::UnknownArgument
                if !unknown(&error).is_some_and(|word| word.starts_with('-')) =>
            {
                1
            }
            ErrorKind::UnknownArgument | ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                UNKNOWN_OPTION
            }
            _ => 1,
        }
    })
}

fn attempt(arguments: &[OsString]) -> Result<Cli, Error> {
    command(arguments)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
}

/// The word that means nothing, where that is what `error` is about.
fn unknown(error: &Error) -> Option<&str> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => Some(word),
        _ => None,
    }
}

fn command(arguments: &[OsString]) -> Command {
    let booleans = arguments.iter().any(|argument| {
        argument.to_str().is_some_and(|text| {
            text.starts_with('-')
                && text.split_once('=').is_some_and(|(_, value)| {
                    crate::containers::key_values::boolean(value).is_some()
                })
        })
    });
    adapt(Cli::command(), booleans)
}

/// Values may begin with a dash (`--memory-swap -1`), and flags may have a value (`--rm=false`). The latter is made so
/// only where one is used, since `--help` would show it with each flag.
fn adapt(command: Command, booleans: bool) -> Command {
    command
        .mut_args(|argument| match argument.get_action() {
            ArgAction::SetTrue if booleans => argument
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_value("false")
                .default_missing_value("true")
                .value_parser(|text: &str| {
                    crate::containers::key_values::boolean(text)
                        .ok_or_else(|| format!("invalid boolean value {text:?}"))
                }),
            ArgAction::Set | ArgAction::Append
                if !argument.is_positional() && !argument.is_require_equals_set() =>
            {
                argument.allow_hyphen_values(true)
            }
            _ => argument,
        })
        .mut_subcommands(|subcommand| adapt(subcommand, booleans))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debug(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = std::iter::once("gantry")
            .chain(arguments.iter().copied())
            .map(OsString::from)
            .collect();
        match attempt(&arguments) {
            Ok(cli) => format!("{cli:?}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        command(&[]).debug_assert();
        command(&["--rm=true".into()]).debug_assert();
    }

    #[test]
    fn options_end_at_the_image() {
        let line = debug(&["run", "--rm", "alpine", "ls", "-l", "--rm"]);
        assert!(
            line.contains(r#"image_and_command: ["alpine", "ls", "-l", "--rm"]"#),
            "{line}"
        );
        let line = debug(&["run", "alpine", "-t"]);
        assert!(
            line.contains(r#"image_and_command: ["alpine", "-t"]"#) && line.contains("tty: false"),
            "{line}"
        );
        let line = debug(&["exec", "-it", "c", "sh", "-c", "x"]);
        assert!(
            line.contains(r#"container_and_command: ["c", "sh", "-c", "x"]"#),
            "{line}"
        );
        let line = debug(&["top", "c", "-o", "pid"]);
        assert!(line.contains(r#"["c", "-o", "pid"]"#), "{line}");
    }

    #[test]
    fn flags_take_values_as_dockers_do() {
        let line = debug(&["run", "--rm=false", "-it", "--init=true", "x"]);
        assert!(
            line.contains("rm: false") && line.contains("tty: true") && line.contains("init: true"),
            "{line}"
        );
        assert!(line.contains("interactive: true"), "{line}");
        let line = debug(&[
            "run",
            "--memory-swap",
            "-1",
            "--pids-limit",
            "-1",
            "-e",
            "-x",
            "x",
        ]);
        assert!(
            line.contains("memory_swap: Some(-1)") && line.contains(r#"env: ["-x"]"#),
            "{line}"
        );
        let line = debug(&["run", "--sig-proxy=false", "x"]);
        assert!(line.contains("sig_proxy: false"), "{line}");
    }
}
