//! What `--help` says, verb by verb.

use clap::{Command, CommandFactory};

use crate::cli::Cli;

fn help(words: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found: &mut Command = &mut command;
    for word in words {
        found = found.find_subcommand_mut(word).unwrap();
    }
    found.render_help().to_string()
}

#[test]
fn the_programs_help() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn the_help_of_run() {
    insta::assert_snapshot!(help(&["run"]));
}

#[test]
fn the_help_of_smaller_verbs() {
    let verbs: Vec<_> = [
        &["ps"][..],
        &["exec"],
        &["logs"],
        &["cp"],
        &["pull"],
        &["volume"],
        &["volume", "create"],
        &["context", "use"],
    ]
    .iter()
    .map(|words| help(words))
    .collect();
    insta::assert_snapshot!(verbs.join("\n----\n"));
}

#[test]
fn every_verb_has_a_sentence_about_it() {
    fn check(command: &Command, path: &str) {
        for subcommand in command.get_subcommands() {
            let path = format!("{path} {}", subcommand.get_name());
            assert!(
                subcommand.get_about().is_some(),
                "{path} says nothing about itself"
            );
            for argument in subcommand
                .get_arguments()
                .filter(|argument| !argument.is_hide_set())
            {
                assert!(
                    argument.get_help().is_some(),
                    "{path}: {} says nothing",
                    argument.get_id()
                );
            }
            check(subcommand, &path);
        }
    }
    check(&Cli::command(), "gantry");
}
